"""QLoRA's frozen weights: bitsandbytes in 4 or 8 bits.

Nothing that stays unquantised (norms, embeddings, the head) is widened to float32, as PEFT's
`prepare_model_for_kbit_training` would: it also widens fused experts, which for the default model
are 2.4 of 3.4 billion parameters. The adapters are float32 all the same.
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

HEAD = "lm_head"


def bitsandbytes_config(config: TrainingConfig) -> BitsAndBytesConfig | None:
    """Return what `from_pretrained` needs for `quantization:`, None where it is off.

    Every linear is quantised but the output head and `lora.modules_to_save`, which are trained.
    """
    settings = config.quantization
    if not settings.enabled:
        return None
    whole = config.lora.modules_to_save
    skipped = [HEAD, *whole] if whole else None  # None: transformers skips the head by itself
    if settings.bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quant_type,
        bnb_4bit_use_double_quant=settings.double_quant,
        bnb_4bit_quant_storage=getattr(torch, settings.quant_storage),
        bnb_4bit_compute_dtype=getattr(torch, settings.compute_dtype),
        llm_int8_skip_modules=skipped,
    )


def quantize_fused_experts(model: PreTrainedModel, config: TrainingConfig) -> tuple[str, ...]:
    """Quantise expert weights held as 3-D parameters to 4 bits; return their full names.

    transformers fuses the experts of a mixture into parameters, which bitsandbytes passes over
    because they are no `nn.Linear` (bitsandbytes issue 1849). There is no 8-bit form for them.
    Experts that `lora.target_parameters` adapts stay as they are: PEFT needs them whole.
    """
    from bitsandbytes.nn.parametrize import replace_parameter_4bit

    settings = config.quantization
    if settings.bits != 4 or not settings.quantize_experts:
        return ()
    names = fused_expert_parameters(model)
    adapted = set(resolve_target_parameters(names, config.lora, config.model))
    chosen = tuple(name for name in names if name not in adapted)
    for name in chosen:
        module, _, parameter = name.rpartition(".")
        replace_parameter_4bit(
            model.get_submodule(module),
            parameter,
            compress_statistics=settings.double_quant,
            quant_type=settings.quant_type,
        )
    return chosen


def keep_differentiable(model: nn.Module) -> None:
    """Keep 4-bit layers in the layout that has a backward pass.

    On a CPU with AVX512-BF16, bitsandbytes 0.50 repacks a layer for a faster kernel at its first
    forward pass in evaluation mode, for good, and that kernel has no gradient: an evaluation
    between two steps would silently end the learning.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def flatten_for_cpu(model: nn.Module) -> None:
    """Hand 8-bit layers on a CPU their inputs in two dimensions where there are more than three.

    bitsandbytes 0.50 has no kernel of its own there, and its fallback scales rows along the wrong
    dimension of what the vision encoder of DeepSeek-OCR-2 gives: (pages, height, width, channels).
    """
    from bitsandbytes.nn.modules import Linear8bitLt

    def flattened(forward: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        if x.ndim <= 3:
            return forward(x)
        return forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])

    for module in model.modules():
        if isinstance(module, Linear8bitLt) and module.weight.device.type == "cpu":
            module.forward = partial(flattened, module.forward)


def fused_expert_parameters(model: nn.Module) -> tuple[str, ...]:
    """Full names of the floating-point 3-D parameters of modules called `experts`."""
    return tuple(
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3
        and parameter.is_floating_point()
        and "experts" in name.split(".")[:-1]
    )
