"""The work of one optimizer step."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.estimate.work.decoder import (
    FLOAT32,
    Passes,
    adapters_work,
    attention_work,
    head_work,
    layers_work,
)
from deepsynth_tui.estimate.work.towers import text_encoder_work, vision_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ModelLayout

# AdamW over lists of tensors (``torch/optim/adam.py``, foreach) and clipping pass this many times
# over the weight, its gradient or a moment.
OPTIMIZER_PASSES = 20


def step_work(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    *,
    length: float,
    patches: int,
    encoder: ModelLayout | None = None,
) -> Work:
    """Work of a step with rows padded to `length` tokens and `patches` in each micro-batch.

    `length` is the mean over batches: the square that attention takes is a little low where
    lengths differ much. `encoder` is the profile of ``text_encoder.name_or_path``.
    """
    training = config.training
    tokens = training.per_device_train_batch_size * length
    passes = Passes(
        forward=2 if training.gradient_checkpointing else 1,
        weights=1 if config.lora.enabled else 2,
    )
    batch = (
        layers_work(config, profile, passes, tokens)
        + attention_work(config, profile, passes, tokens, length)
        + head_work(config, profile, trainable, passes, tokens)
        + adapters_work(config, profile, trainable, passes, tokens)
        + vision_work(config, profile, patches)
        + text_encoder_work(config, encoder)
    )
    width = FLOAT32 if config.lora.enabled else DTYPE_BYTES[config.model.dtype]
    return batch.times(training.gradient_accumulation_steps) + Work(
        optimizer=OPTIMIZER_PASSES * width * trainable.total
    )
