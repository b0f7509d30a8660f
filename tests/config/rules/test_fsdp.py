"""What `training.fsdp` excludes."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.yaml_text import with_value

SHARDED: dict[str, Any] = {
    "kind": "training",
    "data": {"path": "x"},
    "training": {"fsdp": True, "num_processes": 2},
}
FAULTS: dict[str, dict[str, Any]] = {
    "training.num_processes": {"training.num_processes": 1},
    "lora.enabled": {"lora.enabled": False, "model.dtype": "float32"},
    "quantization.bits": {
        "quantization.enabled": True,
        "quantization.bits": 8,
        "quantization.quant_storage": "bfloat16",
    },
    "quantization.quant_storage": {"quantization.enabled": True},
    "text_encoder.enabled": {"text_encoder.enabled": True},
    "lora.use_dora": {"lora.use_dora": True},
    "lora.init_lora_weights": {"lora.init_lora_weights": "olora"},
    "lora.trainable_token_indices": {"lora.trainable_token_indices": [3]},
    "lora.bias": {"lora.bias": "all"},
    "lora.modules_to_save": {"lora.modules_to_save": ["lm_head"]},
    "lora.target_parameters": {
        "lora.target_parameters": ["mlp.experts"],
        "lora.lora_dropout": 0.0,
    },
}


def problem_keys(changes: dict[str, Any]) -> list[str]:
    """Return the keys of the problems of an FSDP run with these changes."""
    values = SHARDED
    for key, value in changes.items():
        values = with_value(values, key, value)
    return [problem.key for problem in check_values(values).problems]


def test_lora_and_qlora_are_allowed():
    assert problem_keys({}) == []
    assert (
        problem_keys({"quantization.enabled": True, "quantization.quant_storage": "bfloat16"}) == []
    )


@pytest.mark.parametrize("key", FAULTS)
def test_each_fault_is_reported_only_with_fsdp(key: str):
    assert problem_keys(FAULTS[key]) == [key]
    assert problem_keys({**FAULTS[key], "training.fsdp": False}) == []


def test_all_faults_are_reported_at_once():
    together: dict[str, Any] = {}
    for changes in FAULTS.values():
        together |= changes
    del together["lora.enabled"]  # quantized weights without LoRA are a problem anyway
    together["quantization.quant_storage"] = "uint8"
    assert set(FAULTS) - {"lora.enabled"} <= set(problem_keys(together))
