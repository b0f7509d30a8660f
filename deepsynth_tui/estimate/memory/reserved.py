"""What PyTorch's allocator takes from the GPU beyond the bytes in use, with room and without.

The mechanism is `allocator`; the terms below are what it makes of a training step, read off
simulated steps whose allocations it replayed (``tests/benchmarks/estimate_accuracy.py`` prints how
far they are from that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.activations import (
    FLOAT32,
    HALF,
    ActivationMemory,
    Batch,
    eager_scores,
    float32_copies,
)
from deepsynth_tui.estimate.memory.optimizer import TrainableMemory
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.vision import VisionMemory
from deepsynth_tui.models.layout import ModelLayout

PeakCandidate = Literal["vision", "loss", "layer", "last", "update"]
"""A time at which the peak of a step can be: pages, loss, backward of a layer while the others keep
theirs, backward of the last layer, and the optimizer's step."""

# Bytes per token and unit of width that one layer's forward has taken in all when the next begins:
# the MLP's three inner tensors; copies of the hidden stream; input, output and weighed output of
# the chosen experts.
TAKEN_INNER = 6
TAKEN_HIDDEN = 20
TAKEN_ROUTED = 12
# The optimizer makes its states where the first step's activations were, so that the next step has
# to take this share of those anew.
BUILT_UPON = 0.75
# Share of what a moment needs at once that finds no place even after all free segments were given
# back; of the loss, whose tensors are segments of their own, the share of what is held that lies
# beside something kept.
HOLES: Mapping[PeakCandidate, float] = {"vision": 0.05, "layer": 0.20, "last": 0.20, "update": 0.15}
PINNED = 0.25


@dataclass(frozen=True, slots=True)
class FreeBlocks:
    """Bytes that are free again when the loss is computed, in blocks too small for it: of a
    `layer`, and of the `logits` as the model gives them."""

    layer: int
    logits: int


def free_blocks(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    batch: Batch,
    software: StackVersion,
) -> FreeBlocks:
    """What the forward pass of the language model leaves behind."""
    text = profile.text
    # With a float32 stream every tensor of a layer is twice as wide.
    wide = FLOAT32 // HALF if software.wide_stream else 1
    width = max(
        (wide * TAKEN_INNER + float32_copies(config, trainable, layer)) * layer.at_once
        + wide * TAKEN_HIDDEN * text.hidden
        + wide * TAKEN_ROUTED * layer.routed // layer.turns
        for layer in profile.layers
    )
    return FreeBlocks(
        layer=width * batch.tokens + eager_scores(config, text, batch),
        logits=software.spare_logits * text.vocab * batch.tokens,
    )


@dataclass(frozen=True, slots=True)
class AllocatorOverhead:
    """Bytes that are taken on top of those in use: `held` where there is room, `holes` of them
    where there is not."""

    held: int
    holes: int


def allocator_overhead(
    moments: Mapping[PeakCandidate, int],
    trained: TrainableMemory,
    kept: ActivationMemory,
    images: VisionMemory,
    left: FreeBlocks,
    *,
    carried: int,
    checkpointing: bool,
    software: StackVersion,
) -> AllocatorOverhead:
    """What is taken beyond the largest of `moments`, bytes on top of the steady state.

    `carried` are gradients that are there before the forward pass.
    """
    peak: PeakCandidate = max(moments, key=lambda name: moments[name])
    through = carried + kept.kept + images.kept
    # The forward pass of the layers and the loss do not fit into each other's blocks; the backward
    # pass of a layer fits into both. Without checkpointing the layers keep theirs where pages were.
    idle = max(left.layer, images.taken if checkpointing else 0)
    passes = max(
        through + idle + kept.logits + left.logits,
        moments["vision"],
        moments["layer"],
    )
    built_upon = 0.0 if software.empties_cache else BUILT_UPON
    update = trained.gradients + trained.step + int(built_upon * (passes - carried))
    held = max(passes, update, moments["last"]) - moments[peak]
    if peak == "loss":
        # Without checkpointing everything held lies beside what the layers keep.
        return AllocatorOverhead(held, int(PINNED * held) if checkpointing else held)
    needs: Mapping[PeakCandidate, int] = {
        "vision": images.working,
        "layer": kept.layer,
        "last": kept.last,
        "update": trained.gradients + trained.step,
    }
    return AllocatorOverhead(held, min(held, int(HOLES[peak] * needs[peak])))
