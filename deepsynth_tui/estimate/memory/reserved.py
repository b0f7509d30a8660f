"""Memory that PyTorch's caching allocator reserves beyond the allocated bytes.

The mechanism is `allocator`. The terms below are its effect on a training step, read from replays
of the allocations of simulated steps (``tests/benchmarks/estimate_accuracy.py`` prints the
difference).
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
    adapter_float32_copies,
    eager_score_bytes,
)
from deepsynth_tui.estimate.memory.optimizer import TrainableMemory
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.vision import VisionMemory
from deepsynth_tui.models.layout import ModelLayout

PeakCandidate = Literal["vision", "loss", "layer", "last", "update"]
"""A point of the step where allocated memory can peak: the vision tower, the loss, the backward of
the first layer (all others still hold their saved activations), the backward of the last layer (all
gradients exist), and the optimizer step."""

# Bytes per token and unit of width that the forward of a layer has allocated in total when the next
# one starts: the three intermediate tensors of the MLP; copies of the hidden states; input, output
# and weighted output of the routed experts.
FORWARD_INNER = 6
FORWARD_HIDDEN = 20
FORWARD_ROUTED = 12
# The optimizer state is allocated in the blocks of the first step's activations, so that the next
# step has to allocate this fraction of them anew.
STATE_IN_ACTIVATION_BLOCKS = 0.75
# Fraction of the bytes allocated at a peak that finds no free block even after all free segments
# are returned to the driver.
FRAGMENTATION: Mapping[PeakCandidate, float] = {
    "vision": 0.05,
    "layer": 0.20,
    "last": 0.20,
    "update": 0.15,
}
# The tensors of the loss are segments of their own. There it is the fraction of the cached bytes
# that share a segment with saved activations.
LOSS_FRAGMENTATION = 0.25


@dataclass(frozen=True, slots=True)
class FreeBlocks:
    """Cached bytes that are free during the loss but in blocks too small for it.

    Of the forward of a `layer`, and of the `logits` in the model's dtype.
    """

    layer: int
    logits: int


def free_blocks(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    batch: Batch,
    stack: StackVersion,
) -> FreeBlocks:
    """Free blocks that the forward pass of the language model leaves."""
    text = layout.text
    # With a float32 stream every tensor of a layer takes twice as many bytes.
    stream_factor = FLOAT32 // HALF if stack.float32_stream else 1
    width = max(
        (stream_factor * FORWARD_INNER + adapter_float32_copies(config, trainable, layer))
        * layer.concurrent_inner
        + stream_factor * FORWARD_HIDDEN * text.hidden
        + stream_factor * FORWARD_ROUTED * layer.expert_outputs // layer.expert_passes
        for layer in layout.layers
    )
    return FreeBlocks(
        layer=width * batch.tokens + eager_score_bytes(config, text, batch),
        logits=stack.freed_bytes_per_logit * text.vocab * stack.tokens_with_logits(batch.tokens),
    )


@dataclass(frozen=True, slots=True)
class AllocatorOverhead:
    """Bytes reserved beyond the peak of allocated bytes.

    `cached` on a GPU with plenty of memory; `fragmentation` is the part of it that cannot be
    returned to the driver where memory is short.
    """

    cached: int
    fragmentation: int


def allocator_overhead(
    peak_candidates: Mapping[PeakCandidate, int],
    trained: TrainableMemory,
    activations: ActivationMemory,
    vision: VisionMemory,
    free: FreeBlocks,
    *,
    accumulated_gradients: int,
    checkpointing: bool,
    stack: StackVersion,
) -> AllocatorOverhead:
    """Bytes reserved beyond the largest of `peak_candidates`.

    `peak_candidates` are bytes on top of those allocated throughout. `accumulated_gradients` are
    allocated before the forward pass.
    """
    peak: PeakCandidate = max(peak_candidates, key=lambda name: peak_candidates[name])
    saved = accumulated_gradients + activations.saved + vision.saved
    # The forward of the layers and the loss do not fit into each other's blocks; the backward of a
    # layer fits into both. Without checkpointing the layers save theirs in the blocks of the vision
    # tower.
    free_bytes = max(free.layer, vision.forward_workspace if checkpointing else 0)
    forward_backward = max(
        saved + free_bytes + activations.logits + free.logits,
        peak_candidates["vision"],
        peak_candidates["layer"],
    )
    reallocated = 0.0 if stack.empties_cache else STATE_IN_ACTIVATION_BLOCKS
    optimizer_step = trained.gradients + trained.optimizer_workspace
    update = optimizer_step + int(reallocated * (forward_backward - accumulated_gradients))
    cached = max(forward_backward, update, peak_candidates["last"]) - peak_candidates[peak]
    if peak == "loss":
        # Without checkpointing all cached blocks share segments with saved activations.
        return AllocatorOverhead(
            cached, int(LOSS_FRAGMENTATION * cached) if checkpointing else cached
        )
    workspace: Mapping[PeakCandidate, int] = {
        "vision": vision.workspace,
        "layer": activations.layer_backward,
        "last": activations.last_backward,
        "update": optimizer_step,
    }
    return AllocatorOverhead(cached, min(cached, int(FRAGMENTATION[peak] * workspace[peak])))
