"""Weights of the fake model have the size that they have on a GPU, quantized or not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode

from deepsynth_tui.estimate.memory.weights import weight_bytes
from deepsynth_tui.training.simulation.model import build_fake_model, quantization_states
from tests.estimate.models import layout_of
from tests.training.simulation.models import architecture, configuration


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    frozen = [tensor for tensor in model.parameters() if not tensor.requires_grad]
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
def test_weight_bytes_are_those_of_the_formula(model_type: str, quantization: dict[str, Any]):
    config = configuration(quantization={"enabled": True} | quantization)
    hub_config = architecture(model_type)
    tensors = weights(
        build_fake_model(hub_config.config, config, FakeTensorMode(allow_non_fake_inputs=True))
    )
    storages = {
        tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in tensors
    }
    assert sum(storages.values()) == weight_bytes(
        config, layout_of(model_type, hub_config, "model")
    )


def test_only_index_buffers_are_real():
    model = build_fake_model(
        architecture("qwen3_vl").config,
        configuration(bits=4),
        FakeTensorMode(allow_non_fake_inputs=True),
    )
    assert all(isinstance(tensor, FakeTensor) for tensor in model.parameters())
    real = [tensor for tensor in model.buffers() if not isinstance(tensor, FakeTensor)]
    assert sum(tensor.nbytes for tensor in real) < 2**20


def test_tied_weights_stay_tied():
    config = configuration(lora={"enabled": False})
    model = build_fake_model(
        architecture("qwen3_vl").config, config, FakeTensorMode(allow_non_fake_inputs=True)
    )
    head = model.get_output_embeddings()
    assert head is not None
    assert head.weight is model.get_input_embeddings().weight
