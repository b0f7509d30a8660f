"""GPU memory of an evaluation: the loss of held-out rows, and generated answers to some of them.

No activations are saved for backward, but every layer caches its keys and values while it
generates.
"""

from __future__ import annotations

from dataclasses import replace

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.activations import HALF, Batch, masked_pairs
from deepsynth_tui.estimate.memory.reserved import FORWARD_HIDDEN, FORWARD_INNER
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.vision import vision_memory
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.models.layout import ModelLayout

# An answer may be this many times as long as its target (``training/evaluation/generate.py``).
ANSWER_LIMIT = 1.25
MASK = 3  # bytes per pair of tokens: a boolean and the bias that SDPA makes of it


def evaluation_bytes(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    page: PageSize | None,
    length: int,
    stack: StackVersion,
) -> int:
    """Bytes on top of weights, adapters and optimizer states; 0 for a run that does not evaluate.

    Rows have one page and `length` tokens, as the longest of a training batch.
    """
    if not config.data.evaluates:
        return 0
    training = config.training
    rows = training.per_device_eval_batch_size
    batch = Batch(rows, length)
    batches = training.model_copy(update={"per_device_train_batch_size": rows})
    vision = vision_memory(
        config.model_copy(update={"training": batches}),
        layout,
        replace(trainable, by_tower={}),  # nothing is saved for backward
        page,
        length,
    )
    text = layout.text
    cached = 2 * HALF * text.layers * text.kv_heads * text.head_dim
    width = FORWARD_HIDDEN * text.hidden
    width += FORWARD_INNER * max(layer.concurrent_inner for layer in layout.layers)
    layer = width * batch.tokens + MASK * masked_pairs(config, batch)
    logits = stack.loss_bytes_per_logit * text.vocab * stack.tokens_with_logits(batch.tokens)
    cache = int(cached * batch.tokens * ANSWER_LIMIT)
    return vision.saved + max(vision.forward_workspace, logits, layer + cache)
