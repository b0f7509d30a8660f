"""What `training.fsdp` excludes, each with its reason, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.yaml_text import with_value

SHARED: dict[str, Any] = {
    "kind": "training",
    "data": {"path": "x"},
    "training": {"fsdp": True, "num_processes": 2},
}
FAULTS: dict[str, dict[str, Any]] = {
    "training.num_processes": {"training.num_processes": 1},
    "lora.enabled": {"lora.enabled": False},
    "quantization.bits": {
        "quantization.enabled": True,
        "quantization.bits": 8,
        "quantization.quant_storage": "bfloat16",
    },
    "quantization.quant_storage": {"quantization.enabled": True},
    "text_encoder.enabled": {"text_encoder.enabled": True},
    "lora.use_dora": {"lora.use_dora": True},
    "lora.init_lora_weights": {"lora.init_lora_weights": "olora"},
    "lora.bias": {"lora.bias": "all"},
    "lora.modules_to_save": {"lora.modules_to_save": ["lm_head"]},
    "lora.target_parameters": {
        "lora.target_parameters": ["mlp.experts"],
        "lora.lora_dropout": 0.0,
    },
}


def refused(changes: dict[str, Any]) -> list[str]:
    """The keys of the problems of a shared-out run with these changes."""
    values = SHARED
    for key, value in changes.items():
        values = with_value(values, key, value)
    return [problem.key for problem in check_values(values).problems]


def test_lora_and_qlora_go_with_it():
    assert refused({}) == []
    assert refused({"quantization.enabled": True, "quantization.quant_storage": "bfloat16"}) == []


@pytest.mark.parametrize("key", FAULTS)
def test_each_fault_is_refused_and_only_with_fsdp(key: str):
    assert refused(FAULTS[key]) == [key]
    assert refused({**FAULTS[key], "training.fsdp": False}) == []


def test_all_are_told_at_once():
    together: dict[str, Any] = {}
    for changes in FAULTS.values():
        together |= changes
    del together["lora.enabled"]  # quantised weights without LoRA are refused anyway
    together["quantization.quant_storage"] = "uint8"
    said = refused(together)
    assert set(FAULTS) - {"lora.enabled"} <= set(said)
