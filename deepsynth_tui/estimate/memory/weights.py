"""Bytes of the base weights, in the format each of them really has on the GPU."""

from __future__ import annotations

from collections.abc import Mapping

from deepsynth_tui.config.training import QuantizationSettings, TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, WeightGroup
from deepsynth_tui.models.lora_targets import resolve_modules_to_save

DTYPE_BYTES: Mapping[str, int] = {"bfloat16": 2, "float16": 2, "float32": 4}

# bitsandbytes: one float32 scale per block of 64 weights; with double quantisation an 8-bit one,
# and a float32 scale per 256 of those (bitsandbytes/functional.py, `quantize_4bit`).
BLOCK_4BIT = 64
BLOCK_OF_SCALES = 256
# Code tables, offset and state of one 4-bit tensor: 16 and 256 float32 codes.
STATE_4BIT = 16 * 4
STATE_DOUBLE = 256 * 4 + 4


def quantized_bytes(group: WeightGroup, quantization: QuantizationSettings) -> int:
    """Bytes of one tensor of a group, scales included, once bitsandbytes holds it."""
    elements = group.elements
    if quantization.bits == 8:
        # int8, and a float32 scale per output row (bitsandbytes/nn/modules.py, `Int8Params.SCB`).
        return elements + 4 * group.shape[0]
    blocks = -(-elements // BLOCK_4BIT)
    if not quantization.double_quant:
        return elements // 2 + 4 * blocks + STATE_4BIT
    nested = -(-blocks // BLOCK_OF_SCALES)
    return elements // 2 + blocks + 4 * nested + STATE_4BIT + STATE_DOUBLE


def is_quantized(name: str, group: WeightGroup, config: TrainingConfig) -> bool:
    """Whether this base weight is held quantised.

    Linears that bitsandbytes converts are, but for those trained whole. Fused experts are only in
    4 bits, only with ``quantize_experts``, and not where an adapter needs them whole.
    """
    if not config.quantization.enabled:
        return False
    if group.kind == "fused_experts":
        return (
            config.quantization.bits == 4
            and config.quantization.quantize_experts
            and not name.endswith(tuple(config.lora.target_parameters) or ("\0",))
        )
    if not group.convertible:
        return False
    return not resolve_modules_to_save((name.removesuffix(".weight"),), config.lora)


def loading_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """Most bytes of base weights while the model is loaded: the trainer quantises fused experts
    only when everything else is on the GPU (``training/quantization.py``)."""
    wide = config.quantization.model_copy(update={"quantize_experts": False})
    return weight_bytes(config.model_copy(update={"quantization": wide}), profile)


def weight_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """Bytes of all base weights. Groups are uniform, so one tensor of each is looked at."""
    total = 0
    for group in profile.weights:
        if group.tied:
            continue
        if is_quantized(group.first_name, group, config):
            total += group.count * quantized_bytes(group, config.quantization)
        else:
            total += group.count * tensor_bytes(group, config)
    return total


def tensor_bytes(group: WeightGroup, config: TrainingConfig) -> int:
    """Bytes of one tensor of a group that is not quantised."""
    dtype = "float32" if group.float32 else config.model.dtype
    return group.elements * DTYPE_BYTES[dtype]
