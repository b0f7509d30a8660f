"""The model of a run on fake tensors, with adapters and quantized weights as in the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.quantizers.auto import AutoHfQuantizer

from deepsynth_tui.estimate.checkpointing import is_offloaded
from deepsynth_tui.models.remote_code import code_options
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.quantization import (
    bitsandbytes_config,
    experts_to_quantize,
    quantize_experts,
)
from deepsynth_tui.training.padding_free.attention import use_row_attention
from deepsynth_tui.training.token_loss import compute_token_loss

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedConfig, PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig


def build_fake_model(
    model_config: PreTrainedConfig, config: TrainingConfig, fake_mode: FakeTensorMode
) -> PeftModel | PreTrainedModel:
    """Return the model with fake parameters, quantized and adapted by the trainer's own code."""
    is_image = type(model_config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    auto_class = AutoModelForImageTextToText if is_image else AutoModelForCausalLM
    with torch.device("meta"):
        model: PreTrainedModel = auto_class.from_config(
            model_config,
            dtype=getattr(torch, config.model.dtype),
            attn_implementation=simulated_attention(config),
            **code_options(
                auto_class,
                model_config,
                trust_remote_code=config.model.trust_remote_code,
                revision=config.model.revision,
            ),
        )
    if config.quantization.enabled:
        quantization_config = bitsandbytes_config(model, config)
        quantizer = AutoHfQuantizer.from_config(quantization_config, pre_quantized=False)
        quantizer.preprocess_model(model=model, dtype=model.dtype, device_map=None)
    experts = experts_to_quantize(model, config)  # adapters give them other names
    trained: PeftModel | PreTrainedModel = model
    if config.lora.enabled:
        trained = lora.add_adapters(model, config)
    else:
        lora.prepare_full_finetuning(model, config)
    if config.quantization.enabled:
        _create_code_tables()
    with fake_mode:
        fake_meta_tensors(trained, dtype=getattr(torch, config.model.dtype))
        quantize_experts(experts, config)
    if config.training.gradient_checkpointing:
        enable_gradient_checkpointing(trained, config.training.checkpoint_every_n_layers)
    if is_offloaded(config):
        _offload_inputs(trained)
    if config.training.padding_free:
        use_row_attention(model)
    compute_token_loss(trained, padding_free=config.training.padding_free)
    return trained.train()


def _offload_inputs(model: nn.Module) -> None:
    """Let inputs of recomputed layers leave the GPU, as `save_on_cpu` does: here all is one device.

    Integers, which the simulation computes with, stay.
    """

    def pack(tensor: torch.Tensor) -> Any:
        is_float = tensor.is_floating_point()
        return (tensor.shape, tensor.dtype) if is_float else tensor

    def unpack(packed: Any) -> torch.Tensor:
        is_tensor = isinstance(packed, torch.Tensor)
        return packed if is_tensor else torch.empty(packed[0], dtype=packed[1])

    def checkpoint_offloaded(function: Any, *args: Any) -> Any:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            return checkpoint(function, *args, use_reentrant=False)

    layers: list[Any] = [m for m in model.modules() if hasattr(m, "_gradient_checkpointing_func")]
    for layer in layers:
        layer._gradient_checkpointing_func = checkpoint_offloaded


def simulated_attention(config: TrainingConfig) -> str:
    """Return the attention implementation of a model on fake tensors.

    Flash attention needs a GPU. SDPA without a mask saves the same tensors.
    """
    model = config.model
    return "sdpa" if model.uses_flash_attention else model.attn_implementation


def fake_meta_tensors(model: nn.Module, *, dtype: torch.dtype) -> None:
    """Replace meta tensors by fake ones, and quantize those of bitsandbytes' layers.

    Tied parameters stay tied. Buffers are created as zeros, because integer ones are indices.
    """
    replaced: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) not in replaced:
                replaced[id(parameter)] = _fake_parameter(module, name, parameter, dtype)
            setattr(module, name, replaced[id(parameter)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype)


def _fake_parameter(
    module: nn.Module, name: str, parameter: nn.Parameter, dtype: torch.dtype
) -> nn.Parameter:
    options: Any = parameter
    class_name = type(parameter).__name__
    # bitsandbytes creates its layers and their biases in float32; loading gives both the model's
    # dtype.
    is_loaded = class_name in ("Params4bit", "Int8Params") or name == "bias"
    unquantized = torch.empty(parameter.shape, dtype=dtype if is_loaded else parameter.dtype)
    # bitsandbytes' parameter classes cannot hold a fake tensor; its layers need only these
    # attributes.
    if class_name == "Params4bit":
        from bitsandbytes.functional import quantize_4bit

        packed, state = quantize_4bit(
            unquantized,
            blocksize=options.blocksize,
            compress_statistics=options.compress_statistics,
            quant_type=options.quant_type,
        )
        return _frozen_parameter(packed, quant_state=state)
    if class_name == "Int8Params":
        from bitsandbytes.functional import int8_vectorwise_quant

        rows, scales, _ = int8_vectorwise_quant(unquantized.half())
        return _frozen_parameter(rows, CB=rows, SCB=scales)
    return nn.Parameter(unquantized, requires_grad=parameter.requires_grad)


def _create_code_tables() -> None:
    """Make bitsandbytes create and cache its code tables now, so that they are not fake."""
    from bitsandbytes.functional import quantize_4bit

    quantize_4bit(torch.zeros(64, 64), compress_statistics=True)


def _frozen_parameter(data: torch.Tensor, **attributes: Any) -> nn.Parameter:
    frozen = nn.Parameter(data, requires_grad=False)
    for name, value in attributes.items():
        setattr(frozen, name, value)
    return frozen


def quantization_states(model: nn.Module) -> Iterator[torch.Tensor]:
    """Yield the scales and code tables that bitsandbytes keeps beside its parameters."""
    for module in model.modules():
        for holder in (module, getattr(module, "weight", None)):
            state = getattr(holder, "quant_state", None)
            if state is not None:
                yield from _tensors_of_state(state)
            scales = getattr(holder, "SCB", None)
            if scales is not None:
                yield scales


def _tensors_of_state(state: Any) -> Iterator[torch.Tensor]:
    yield from (value for value in vars(state).values() if isinstance(value, torch.Tensor))
    if state.state2 is not None:
        yield from _tensors_of_state(state.state2)
