"""Fused experts are quantized while a checkpoint loads: equal weights, a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn.parametrize import Bnb4bitParametrization
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM
from transformers.utils.quantization_config import QuantizationMethod

from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.quantization import (
    experts_to_quantize,
    fused_expert_parameters,
    quantize_experts,
)
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker
from tests.training import chat_tokenizer, family_models, small_models
from tests.training.conftest import configuration

FOUR_BIT = {"quantization__enabled": True}
LAYERS = 16


class Allocations(TorchDispatchMode):
    """`tracker`: the storages that operations inside the block make."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = MemoryTracker(vocab_size=0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu":
                self.tracker.track_output(tensor)
        return result


def mixture(folder: Path) -> Path:
    """A language model of which nearly all weights are experts."""
    tokenizer = chat_tokenizer.tokenizer()
    tokenizer.chat_template = chat_tokenizer.CHAT_TEMPLATE
    config = Qwen3MoeConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        moe_intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_experts=32,
        num_experts_per_tok=2,
        **small_models.special_tokens(tokenizer),
    )
    torch.manual_seed(0)
    Qwen3MoeForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def packed_experts(model: nn.Module) -> dict[str, tuple[torch.Tensor, Any]]:
    """Return the packed weights of each quantized parameter, and how they are dequantized."""
    states = {
        name.rpartition(".")[0]: module.quant_state
        for name, module in model.named_modules()
        if isinstance(module, Bnb4bitParametrization)
    }
    return {
        name: (model.get_parameter(f"{name}.original"), state) for name, state in states.items()
    }


@pytest.mark.parametrize("double_quant", [True, False])
@pytest.mark.parametrize(
    "make", [small_models.document_model, family_models.qwen3_vl_moe], ids=["stacked", "transposed"]
)
def test_weights_are_those_of_quantizing_afterwards(
    values: dict[str, Any], tmp_path: Path, make: Callable[[Path], Path], double_quant: bool
) -> None:
    folder = str(make(tmp_path / "model"))
    changes = {"model__name_or_path": folder, "quantization__double_quant": double_quant}
    config = configuration(values, **FOUR_BIT, **changes)
    while_loading = load_model_and_processor(config).model
    assert fused_expert_parameters(while_loading) == ()
    afterwards = load_model_and_processor(configuration(values, **changes)).model
    names = fused_expert_parameters(afterwards)
    quantize_experts(experts_to_quantize(afterwards, config), config)

    ours, theirs = packed_experts(while_loading), packed_experts(afterwards)
    assert len(ours) == len(names) > 0
    assert ours.keys() == theirs.keys()
    for name, (packed, state) in ours.items():
        assert torch.equal(packed, theirs[name][0])
        assert state == theirs[name][1]
    for name in names:
        module, _, parameter = name.rpartition(".")
        weights = [getattr(m.get_submodule(module), parameter) for m in (while_loading, afterwards)]
        assert torch.equal(*weights)
        assert weights[0].ndim == 3


def test_the_model_is_one_of_bitsandbytes(values: dict[str, Any], tmp_path: Path) -> None:
    """transformers, PEFT and accelerate ask for its method by name."""
    folder = small_models.document_model(tmp_path / "model")
    config = configuration(values, **FOUR_BIT, model__name_or_path=str(folder))
    model: Any = load_model_and_processor(config).model
    assert model.quantization_method == QuantizationMethod.BITS_AND_BYTES
    assert model.config.quantization_config.to_dict()["quant_method"] == "bitsandbytes"
    assert model.is_loaded_in_4bit
    assert model.hf_quantizer.is_trainable


def test_loading_never_holds_the_experts_in_16_bits(values: dict[str, Any], tmp_path: Path) -> None:
    folder = str(mixture(tmp_path / "model"))

    def peak(*, while_loading: bool) -> int:
        config = configuration(
            values,
            **FOUR_BIT,
            model__name_or_path=folder,
            quantization__quantize_experts=while_loading,
        )
        with Allocations() as allocations:
            model = load_model_and_processor(config).model
            all_experts = configuration(values, **FOUR_BIT, model__name_or_path=folder)
            experts = experts_to_quantize(model, all_experts)
            assert (len(experts) == 0) == while_loading
            quantize_experts(experts, all_experts)
        return allocations.tracker.peak

    assert peak(while_loading=True) < 0.4 * peak(while_loading=False)
