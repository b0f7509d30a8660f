"""Inputs of LoRA layers that are saved for backward."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.models.towers import Tower

HALF, FLOAT32, DROPOUT_MASK = 2, 4, 1
DORA = 5  # outputs of base and adapter, and their scale (``peft/tuners/lora/dora.py``)


def adapter_activation_bytes(
    config: TrainingConfig, trainable: TrainableParameters, tower: Tower, prefix: str = ""
) -> int:
    """Bytes per token of all adapters on linears of a tower whose names start with `prefix`.

    Under autocast the saved input is a half-precision copy, else float32. Dropout adds a mask of
    one byte. The output of A, of width r, is saved too (``peft/tuners/lora/layer.py``).
    """
    training = config.training
    width = HALF if training.bf16 or training.fp16 else FLOAT32
    per_input = width + (DROPOUT_MASK if config.lora.lora_dropout > 0 else 0)
    per_output = DORA if config.lora.use_dora else 0
    return sum(
        per_input * group.shape[1] + per_output * group.shape[0] + width * config.lora.r
        for name, group in trainable.targets.items()
        if group.tower == tower and len(group.shape) == 2 and name.startswith(prefix)
    )
