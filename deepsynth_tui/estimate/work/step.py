"""Work of an optimizer step."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import offloaded_bytes
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.estimate.work.decoder import (
    FLOAT32,
    Passes,
    adapters_work,
    attention_work,
    forward_passes,
    head_work,
    layers_work,
)
from deepsynth_tui.estimate.work.towers import text_encoder_work, vision_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ModelLayout

# Reads and writes of a weight, its gradient or a moment by AdamW (``torch/optim/adam.py``, foreach)
# and gradient clipping.
OPTIMIZER_PASSES = 20


def step_work(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    *,
    length: float,
    patches: int,
    image_tokens: int = 0,
    encoder: ModelLayout | None = None,
) -> Work:
    """Return the work of a step with rows of `length` tokens, padding included, and `patches` per
    micro-batch.

    The head reads no image tokens: `image_tokens` per row, 0 if unknown. It reads no question
    either, but questions are short.

    `length` is the mean over batches, so attention, which grows with its square, is a little low if
    lengths differ much. `encoder` is the layout of ``text_encoder.name_or_path``.
    """
    training = config.training
    tokens = training.per_device_train_batch_size * length
    answered = training.per_device_train_batch_size * max(length - image_tokens, 0)
    passes = Passes(
        forward=forward_passes(config, layout.text.layers),
        backward_matmuls=1 if config.lora.enabled else 2,
    )
    micro_batch = (
        layers_work(config, layout, passes, tokens)
        + attention_work(config, layout, passes, tokens, length)
        + head_work(config, layout, trainable, passes, answered)
        + adapters_work(config, layout, trainable, passes, tokens)
        + vision_work(config, layout, patches)
        + text_encoder_work(config, encoder)
        + Work(host_bytes=2 * offloaded_bytes(config, layout, tokens))
    )
    width = FLOAT32 if config.lora.enabled else DTYPE_BYTES[config.model.dtype]
    return micro_batch * training.gradient_accumulation_steps + Work(
        optimizer_bytes=OPTIMIZER_PASSES * width * trainable.total
    )
