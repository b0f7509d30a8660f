"""QLoRA's frozen weights, quantized by bitsandbytes to 4 or 8 bits.

Unlike PEFT's `prepare_model_for_kbit_training`, this does not upcast unquantized weights (norms,
embeddings, the head) to float32: PEFT also upcasts fused experts, which are 2.4 of the 3.4 billion
parameters of the default model. The adapters are float32 either way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import get_keys_to_not_convert
from transformers.quantizers.quantizers_utils import should_convert_module

from deepsynth_tui.models.quantized_weights import is_quantized_experts, is_quantized_linear
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig

EXPERTS_QUANT_METHOD = "bitsandbytes_with_experts"
"""`quant_method` of a config that chooses `expert_quantizer`, which then sets bitsandbytes' own:
transformers, PEFT and accelerate ask for that one."""

Parameter = tuple[nn.Module, str]
"""A module, and the name of one of its parameters."""


def bitsandbytes_config(model: PreTrainedModel, config: TrainingConfig) -> BitsAndBytesConfig:
    """Return the `quantization_config` for `from_pretrained`.

    `model` may be on the meta device: only the names of its modules are read.

    Raises:
        TrainingError: no layer would be quantized.
    """
    settings = config.quantization
    skip_modules = unquantized_modules(model, config)
    if settings.bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip_modules)
    quantization_config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quant_type,
        bnb_4bit_use_double_quant=settings.double_quant,
        bnb_4bit_quant_storage=getattr(torch, settings.quant_storage),
        bnb_4bit_compute_dtype=getattr(torch, settings.compute_dtype),
        llm_int8_skip_modules=skip_modules,
    )
    if settings.quantize_experts:
        from deepsynth_tui.training.modeling import expert_quantizer  # noqa: F401 - registers it

        # The declared type is an enumeration of transformers' own methods.
        method: Any = EXPERTS_QUANT_METHOD
        quantization_config.quant_method = method
    return quantization_config


def unquantized_modules(model: PreTrainedModel, config: TrainingConfig) -> list[str]:
    """Return the shortest names that contain every layer that is not quantized.

    transformers itself would quantize all but the output head and layers with tied weights.

    Raises:
        TrainingError: no layer would be quantized.
    """
    kept_by_default = get_keys_to_not_convert(model)
    linears = [
        name
        for name, module in model.named_modules()
        if isinstance(module, Conv1D) or type(module) is nn.Linear
    ]
    quantized = {
        name
        for name in linears
        if is_quantized_linear(name, config) and should_convert_module(name, kept_by_default)
    }
    if not quantized and not experts_to_quantize(model, config):
        towers = ", ".join(config.quantization.towers)
        raise TrainingError(
            f"{config.model.name_or_path} has no layer that quantization.towers ({towers}) would "
            "quantize",
            "Name another tower, or turn quantization.enabled off.",
            "quantization.towers",
        )
    kept = [name for name in linears if name not in quantized]
    if config.quantization.bits == 4 and config.quantization.quantize_experts:
        experts = fused_expert_parameters(model)
        kept += [name for name in experts if not is_quantized_experts(name, config)]
        quantized |= {name for name in experts if is_quantized_experts(name, config)}
    return shortest_parents(kept, quantized)


def quantization_notes(model: PreTrainedModel) -> tuple[str, ...]:
    """Return what of `quantization:` has no effect on a checkpoint that is quantized already."""
    quantizer: Any = getattr(model, "hf_quantizer", None)
    if quantizer is None or not quantizer.pre_quantized:
        return ()
    method = quantizer.quantization_config.quant_method
    return (
        f"The checkpoint is quantized already ({getattr(method, 'value', method)}): its linear "
        "layers stay as they are whatever quantization: says, and the estimate does not know them",
    )


def shortest_parents(names: Iterable[str], others: Collection[str]) -> list[str]:
    """Return the shortest dotted prefixes that `names` begin with and none of `others`."""
    taken = {prefix for name in others for prefix in _prefixes(name)}
    shortest = (next(p for p in _prefixes(name) if p not in taken) for name in names)
    return list(dict.fromkeys(shortest))


def _prefixes(name: str) -> Iterator[str]:
    """Yield `a`, `a.b` and `a.b.c` for `a.b.c`."""
    parts = name.split(".")
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def quantize_experts(experts: Iterable[Parameter], config: TrainingConfig) -> None:
    """Quantize parameters to 4 bits in a model that is loaded.

    A checkpoint that is read in 16 bits has them quantized while it loads (`expert_quantizer`).
    """
    from bitsandbytes.nn.parametrize import replace_parameter_4bit

    settings = config.quantization
    for module, name in experts:
        replace_parameter_4bit(
            module,
            name,
            compress_statistics=settings.double_quant,
            quant_type=settings.quant_type,
        )


def fused_expert_parameters(model: nn.Module) -> tuple[str, ...]:
    """Return the full names of floating-point 3-D parameters in modules named `experts`."""
    return tuple(
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3
        and parameter.is_floating_point()
        and "experts" in name.split(".")[:-1]
    )


def experts_to_quantize(model: nn.Module, config: TrainingConfig) -> list[Parameter]:
    """Return the fused expert parameters that are to be quantized and are not yet."""
    split = (
        name.rpartition(".")
        for name in fused_expert_parameters(model)
        if is_quantized_experts(name, config)
    )
    return [(model.get_submodule(module), name) for module, _, name in split]


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
