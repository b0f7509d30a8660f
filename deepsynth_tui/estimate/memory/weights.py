"""Bytes of the base weights, each in the format that it has on the GPU."""

from __future__ import annotations

from collections.abc import Mapping

from deepsynth_tui.config.model import QuantizationSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, WeightGroup
from deepsynth_tui.models.quantized_weights import is_quantized_experts, is_quantized_linear

DTYPE_BYTES: Mapping[str, int] = {"bfloat16": 2, "float16": 2, "float32": 4}

# bitsandbytes: one float32 absmax per block of 64 weights; with double quantization an 8-bit one,
# and a float32 absmax per 256 of those (bitsandbytes/functional.py, `quantize_4bit`).
BLOCK_4BIT = 64
BLOCK_OF_SCALES = 256
# Code table of a 4-bit tensor: 16 float32. Double quantization adds a table of 256 and an offset.
QUANT_STATE_4BIT = 16 * 4
QUANT_STATE_DOUBLE = 256 * 4 + 4

EXPERT_COPIES = 2
"""Copies in 16 bits of the experts of a layer while they are loaded."""


def quantized_bytes(group: WeightGroup, quantization: QuantizationSettings) -> int:
    """Bytes of one tensor of a group in bitsandbytes' format, scales included."""
    elements = group.elements
    if quantization.bits == 8:
        # int8, and a float32 scale per output row (bitsandbytes/nn/modules.py, `Int8Params.SCB`).
        return elements + 4 * group.shape[0]
    blocks = -(-elements // BLOCK_4BIT)
    if not quantization.double_quant:
        return elements // 2 + 4 * blocks + QUANT_STATE_4BIT
    nested = -(-blocks // BLOCK_OF_SCALES)
    return elements // 2 + blocks + 4 * nested + QUANT_STATE_4BIT + QUANT_STATE_DOUBLE


def is_quantized(name: str, group: WeightGroup, config: TrainingConfig) -> bool:
    """Whether this base weight is quantized: a linear that bitsandbytes converts, or fused
    experts."""
    if group.kind == "fused_experts":
        return is_quantized_experts(name, config)
    return group.convertible and is_quantized_linear(name.removesuffix(".weight"), config)


def loading_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Peak bytes of base weights while the model is loaded.

    A weight that is quantized is read in 16 bits first, the experts of a layer twice: stacked or
    transposed, and as they are in the checkpoint (transformers/core_model_loading.py).
    """
    read = (
        (EXPERT_COPIES if group.kind == "fused_experts" else 1) * tensor_bytes(group, config)
        for group in layout.weights
        if is_quantized(group.first_name, group, config)
    )
    return weight_bytes(config, layout) + max(read, default=0)


def weight_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Bytes of all base weights. The tensors of a group are alike, so the first stands for all."""
    total = 0
    for group in layout.weights:
        if group.tied:
            continue
        if is_quantized(group.first_name, group, config):
            total += group.count * quantized_bytes(group, config.quantization)
        else:
            total += group.count * tensor_bytes(group, config)
    return total


def tensor_bytes(group: WeightGroup, config: TrainingConfig) -> int:
    """Bytes of one tensor of a group that is not quantized."""
    dtype = "float32" if group.float32 else config.model.dtype
    return group.elements * DTYPE_BYTES[dtype]
