"""Bytes that LoRA layers keep of their inputs until the backward pass."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.models.towers import Tower

HALF, FLOAT32, MASK = 2, 4, 1
DORA = 5  # the base's output and the adapter's, and what scales them (``peft/tuners/lora/dora.py``)


def adapter_bytes(
    config: TrainingConfig, trainable: TrainableParameters, tower: Tower, prefix: str = ""
) -> int:
    """Bytes per token of all adapters on linears of a tower whose names begin with `prefix`.

    Under autocast a copy of the input in half precision, plain float32 otherwise; dropout adds its
    mask of one byte, and the rank-wide middle tensor comes on top (``peft/tuners/lora/layer.py``).
    """
    training = config.training
    width = HALF if training.bf16 or training.fp16 else FLOAT32
    per_input = width + (MASK if config.lora.lora_dropout > 0 else 0)
    per_output = DORA if config.lora.use_dora else 0
    return sum(
        per_input * group.shape[1] + per_output * group.shape[0] + width * config.lora.r
        for name, group in trainable.targets.items()
        if group.tower == tower and len(group.shape) == 2 and name.startswith(prefix)
    )
