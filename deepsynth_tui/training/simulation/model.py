"""The model of a run as the trainer has it, with adapters and quantised weights but no memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.quantizers.auto import AutoHfQuantizer

from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import checkpoint_activations
from deepsynth_tui.training.modeling.quantization import bitsandbytes_config, quantize_fused_experts

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig


def build(
    architecture: PreTrainedConfig, config: TrainingConfig, fake: FakeTensorMode
) -> PeftModel | PreTrainedModel:
    """The trained model, every parameter fake; quantised and adapted by the trainer's own code."""
    is_image = type(architecture) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    auto_class = AutoModelForImageTextToText if is_image else AutoModelForCausalLM
    with torch.device("meta"):
        model: PreTrainedModel = auto_class.from_config(
            architecture,
            dtype=getattr(torch, config.model.dtype),
            attn_implementation=config.model.attn_implementation,
            trust_remote_code=config.model.trust_remote_code,
        )
    if wanted := bitsandbytes_config(config):
        quantiser = AutoHfQuantizer.from_config(wanted, pre_quantized=False)
        quantiser.preprocess_model(model=model, dtype=model.dtype, device_map=None)
    trained: PeftModel | PreTrainedModel = model
    if config.lora.enabled:
        trained = lora.attach(model, config)
    else:
        lora.unfreeze(model, config)
    if config.quantization.enabled:
        _make_code_tables()
    with fake:
        materialise(trained, dtype=getattr(torch, config.model.dtype))
        if config.quantization.enabled:
            quantize_fused_experts(model, config)
    if config.training.gradient_checkpointing:
        checkpoint_activations(trained)
    return trained.train()


def materialise(model: nn.Module, *, dtype: torch.dtype) -> None:
    """Put fake tensors where meta tensors are, and quantise those of bitsandbytes' layers.

    Tied parameters stay tied. Integer buffers become zeros: they are indices.
    """
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in made:
                made[id(parameter)] = _fake(module, name, parameter, dtype)
            setattr(module, name, made[id(parameter)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype)


def _fake(
    module: nn.Module, name: str, parameter: nn.Parameter, dtype: torch.dtype
) -> nn.Parameter:
    settings: Any = parameter
    kind = type(parameter).__name__
    # bitsandbytes' layers come in float32, biases too; loading gives both the model's own width.
    is_loaded = kind in ("Params4bit", "Int8Params") or name == "bias"
    wide = torch.empty(parameter.shape, dtype=dtype if is_loaded else parameter.dtype)
    # Classes of bitsandbytes cannot hold a fake tensor; its layers need only these attributes.
    if kind == "Params4bit":
        from bitsandbytes.functional import quantize_4bit

        packed, state = quantize_4bit(
            wide,
            blocksize=settings.blocksize,
            compress_statistics=settings.compress_statistics,
            quant_type=settings.quant_type,
        )
        return _with(packed, quant_state=state)
    if kind == "Int8Params":
        from bitsandbytes.functional import int8_vectorwise_quant

        rows, scales, _ = int8_vectorwise_quant(wide.half())
        return _with(rows, CB=rows, SCB=scales)
    return nn.Parameter(wide, requires_grad=parameter.requires_grad)


def _make_code_tables() -> None:
    """bitsandbytes makes these at their first use and keeps them; fakes would be of no use."""
    from bitsandbytes.functional import quantize_4bit

    quantize_4bit(torch.zeros(64, 64), compress_statistics=True)


def _with(data: torch.Tensor, **attributes: Any) -> nn.Parameter:
    frozen = nn.Parameter(data, requires_grad=False)
    for name, value in attributes.items():
        setattr(frozen, name, value)
    return frozen


def quantisation_states(model: nn.Module) -> Iterator[torch.Tensor]:
    """Scales and code tables that bitsandbytes keeps beside its parameters."""
    for module in model.modules():
        for holder in (module, getattr(module, "weight", None)):
            state = getattr(holder, "quant_state", None)
            if state is not None:
                yield from _tensors_of(state)
            scales = getattr(holder, "SCB", None)
            if scales is not None:
                yield scales


def _tensors_of(state: Any) -> Iterator[torch.Tensor]:
    yield from (value for value in vars(state).values() if isinstance(value, torch.Tensor))
    if state.state2 is not None:
        yield from _tensors_of(state.state2)
