"""QLoRA's frozen weights, quantized by bitsandbytes to 4 or 8 bits.

Unlike PEFT's `prepare_model_for_kbit_training`, this does not upcast unquantized weights (norms,
embeddings, the head) to float32: PEFT also upcasts fused experts, which are 2.4 of the 3.4 billion
parameters of the default model. The adapters are float32 either way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from deepsynth_tui.models.lora_targets import resolve_target_parameters

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

OUTPUT_HEAD = "lm_head"


def bitsandbytes_config(config: TrainingConfig) -> BitsAndBytesConfig | None:
    """Return the `quantization_config` for `from_pretrained`, None without quantization.

    Every linear layer is quantized except the output head and `lora.modules_to_save`, which are
    trained.
    """
    settings = config.quantization
    if not settings.enabled:
        return None
    trained = config.lora.modules_to_save
    # None: transformers itself skips the head.
    skip_modules = [OUTPUT_HEAD, *trained] if trained else None
    if settings.bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip_modules)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quant_type,
        bnb_4bit_use_double_quant=settings.double_quant,
        bnb_4bit_quant_storage=getattr(torch, settings.quant_storage),
        bnb_4bit_compute_dtype=getattr(torch, settings.compute_dtype),
        llm_int8_skip_modules=skip_modules,
    )


def quantize_fused_experts(model: PreTrainedModel, config: TrainingConfig) -> tuple[str, ...]:
    """Quantize experts stored as 3-D parameters to 4 bits and return their full names.

    transformers fuses the experts of a mixture of experts into one parameter, which bitsandbytes
    skips because it is not an `nn.Linear` (bitsandbytes issue 1849). It has no 8-bit form of them.
    Experts adapted by `lora.target_parameters` are not quantized: PEFT needs the full weights.
    """
    from bitsandbytes.nn.parametrize import replace_parameter_4bit

    settings = config.quantization
    if settings.bits != 4 or not settings.quantize_experts:
        return ()
    names = fused_expert_parameters(model)
    adapted = set(resolve_target_parameters(names, config.lora, config.model))
    quantized = tuple(name for name in names if name not in adapted)
    for name in quantized:
        module, _, parameter = name.rpartition(".")
        replace_parameter_4bit(
            model.get_submodule(module),
            parameter,
            compress_statistics=settings.double_quant,
            quant_type=settings.quant_type,
        )
    return quantized


def disable_avx512_repacking(model: nn.Module) -> None:
    """Keep 4-bit layers in the layout that has a backward pass.

    On a CPU with AVX512-BF16, bitsandbytes 0.50 permanently repacks a layer for a faster kernel at
    its first forward pass in evaluation mode. That kernel has no gradient: after an evaluation
    between two steps the model would silently stop learning.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def flatten_8bit_inputs(model: nn.Module) -> None:
    """Flatten inputs of 8-bit layers to two dimensions if they have more than three.

    The vision encoder of DeepSeek-OCR-2 has inputs (pages, height, width, channels). bitsandbytes
    0.50 refuses them on a GPU, and scales them along the wrong dimension on the CPU.
    """
    from bitsandbytes.nn.modules import Linear8bitLt

    def flat_forward(
        forward: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
    ) -> torch.Tensor:
        if x.ndim <= 3:
            return forward(x)
        return forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])

    for module in model.modules():
        if isinstance(module, Linear8bitLt):
            module.forward = partial(flat_forward, module.forward)


def fused_expert_parameters(model: nn.Module) -> tuple[str, ...]:
    """Return the full names of floating-point 3-D parameters in modules named `experts`."""
    return tuple(
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3
        and parameter.is_floating_point()
        and "experts" in name.split(".")[:-1]
    )
