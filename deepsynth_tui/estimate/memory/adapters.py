"""Inputs of LoRA layers that are saved for backward."""

from __future__ import annotations

from collections.abc import Iterable

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.models.layout import WeightGroup
from deepsynth_tui.models.quantized_weights import is_quantized_tower
from deepsynth_tui.models.towers import Tower

HALF, FLOAT32, DROPOUT_MASK = 2, 4, 1
DORA = 5  # outputs of base and adapter, and their scale (``peft/tuners/lora/dora.py``)
# Linears after attention, which read something else than their siblings (transformers,
# ``models/*``). SDPA saves its output, which they read, itself.
_AFTER_ATTENTION = ("o_proj", "out_proj", "proj", "dense")


def casts_inputs(config: TrainingConfig, stack: StackVersion) -> bool:
    """Whether adapters read copies of the inputs of their linears.

    ``training/modeling/lora.py`` leaves them out under autocast, without dropout and DoRA.
    """
    training, lora = config.training, config.lora
    autocasts = training.bf16 or training.fp16
    return stack.casts_adapter_inputs or not autocasts or lora.use_dora or lora.lora_dropout > 0


def adapter_activation_bytes(
    config: TrainingConfig,
    trainable: TrainableParameters,
    tower: Tower,
    stack: StackVersion,
    *,
    prefix: str = "",
    float32_norms: bool = False,
) -> int:
    """Bytes per token of all adapters on linears of a tower whose names start with `prefix`.

    Under autocast the saved input is a half-precision copy, else float32. Dropout adds a mask of
    one byte. The output of A, of width r, is saved too (``peft/tuners/lora/layer.py``). An input
    that is not copied is saved once for all that read it. `float32_norms`: the norms of the tower
    return float32 under autocast, of which every linear makes a copy.
    """
    training = config.training
    width = HALF if training.bf16 or training.fp16 else FLOAT32
    per_output = DORA if config.lora.use_dora else 0
    adapted = {
        name: group
        for name, group in trainable.targets.items()
        if group.tower == tower and len(group.shape) == 2 and name.startswith(prefix)
    }
    outputs = sum(per_output * group.shape[0] + width * config.lora.r for group in adapted.values())
    if casts_inputs(config, stack):
        per_input = width + (DROPOUT_MASK if config.lora.lora_dropout > 0 else 0)
        return outputs + per_input * sum(group.shape[1] for group in adapted.values())
    if _keeps_int8_inputs(config, tower):
        return outputs
    return outputs + width * _distinct_inputs(config, adapted.items(), copied=float32_norms)


def _distinct_inputs(
    config: TrainingConfig, adapted: Iterable[tuple[str, WeightGroup]], *, copied: bool
) -> int:
    """Widths of the inputs of linears together, each once; `copied` ones as often as read.

    Those of equal width in one module read the same tensor: queries, keys and values, or gate and
    up.
    """
    total = 0
    counted: set[tuple[str, int]] = set()
    for name, group in adapted:
        module, _, linear = name.rpartition(".")
        if linear in _AFTER_ATTENTION:
            total += group.shape[1] if config.model.attn_implementation == "eager" else 0
        elif copied or (module, group.shape[1]) not in counted:
            counted.add((module, group.shape[1]))
            total += group.shape[1]
    return total


def _keeps_int8_inputs(config: TrainingConfig, tower: Tower) -> bool:
    """Whether the int8 matmul saves the inputs already (`activations`)."""
    quantization = config.quantization
    is_int8 = quantization.enabled and quantization.bits == 8
    return is_int8 and is_quantized_tower(tower, quantization)
