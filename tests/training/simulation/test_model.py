"""The simulated model: its weights take the bytes that they have on a GPU, quantised or not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode

from deepsynth_tui.estimate.memory.weights import weight_bytes
from deepsynth_tui.training.simulation.model import build_fake_model, quantization_states
from tests.estimate.models import profile_of
from tests.training.simulation.models import architecture, configuration


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    frozen = [one for one in model.parameters() if not one.requires_grad]
    return [*frozen, *quantization_states(model)]


@pytest.mark.parametrize(
    "quantization",
    [
        {"enabled": False},
        {"bits": 4, "double_quant": False},
        {"bits": 4, "double_quant": True},
        {"bits": 4, "quantize_experts": False},
        {"bits": 8},
    ],
    ids=str,
)
@pytest.mark.parametrize("model_type", ["qwen3", "qwen3_moe", "deepseek_ocr2"])
def test_weights_take_what_the_formula_says(model_type: str, quantization: dict[str, Any]):
    config = configuration(quantization={"enabled": True} | quantization)
    found = architecture(model_type)
    held = weights(
        build_fake_model(found.config, config, FakeTensorMode(allow_non_fake_inputs=True))
    )
    storages = {one.untyped_storage()._cdata: one.untyped_storage().nbytes() for one in held}
    assert sum(storages.values()) == weight_bytes(config, profile_of(model_type, found, "model"))


def test_nothing_takes_memory_but_indices():
    model = build_fake_model(
        architecture("qwen3_vl").config,
        configuration(bits=4),
        FakeTensorMode(allow_non_fake_inputs=True),
    )
    assert all(isinstance(one, FakeTensor) for one in model.parameters())
    real = [one for one in model.buffers() if not isinstance(one, FakeTensor)]
    assert sum(one.nbytes for one in real) < 2**20


def test_tied_weights_stay_tied():
    config = configuration(lora={"enabled": False})
    model = build_fake_model(
        architecture("qwen3_vl").config, config, FakeTensorMode(allow_non_fake_inputs=True)
    )
    head = model.get_output_embeddings()
    assert head is not None
    assert head.weight is model.get_input_embeddings().weight
