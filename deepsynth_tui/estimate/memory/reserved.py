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
# Bytes that find no free block even after all free segments are returned to the driver, as
# fractions of the workspace of each peak candidate.
FRAGMENTATION: Mapping[PeakCandidate, float] = {
    "vision": 0.05,
    "loss": 0.12,
    "layer": 0.13,
    "last": 0.13,
    "update": 0.02,
}
# Without checkpointing, the many blocks of saved activations leave gaps: a fraction of their bytes.
SAVED_FRAGMENTATION = 0.02


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
        (
            stream_factor * FORWARD_INNER
            + adapter_float32_copies(config, trainable, "language", layer.inner, stack)
        )
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
class ReservedMemory:
    """Bytes that the allocator reserves on top of those allocated throughout the step.

    `reserved` on a GPU with plenty of memory; `least` on the smallest GPU on which the step runs.
    """

    reserved: int
    least: int


def reserved_memory(
    peak_candidates: Mapping[PeakCandidate, int],
    trained: TrainableMemory,
    activations: ActivationMemory,
    vision: VisionMemory,
    free: FreeBlocks,
    *,
    accumulated_gradients: int,
    checkpointing: bool,
    stack: StackVersion,
) -> ReservedMemory:
    """Return what the allocator reserves for a step.

    `peak_candidates` are allocated bytes on top of those allocated throughout.
    `accumulated_gradients` are allocated before the forward pass.
    """
    optimizer_step = trained.gradients + trained.optimizer_workspace
    workspace: Mapping[PeakCandidate, int] = {
        "vision": vision.workspace,
        "loss": activations.logits,
        "layer": activations.layer_backward,
        "last": activations.last_backward,
        "update": optimizer_step,
    }
    saved = activations.saved + vision.saved
    gaps = 0 if checkpointing else int(SAVED_FRAGMENTATION * saved)
    least = max(
        size
        + int(FRAGMENTATION[name] * workspace[name])
        + (gaps if name in ("loss", "layer") else 0)
        for name, size in peak_candidates.items()
    )
    # The forward of the layers and the loss do not fit into each other's blocks; the backward of a
    # layer fits into both. Without checkpointing the layers save theirs in the blocks of the vision
    # tower.
    free_bytes = max(free.layer, vision.forward_workspace if checkpointing else 0)
    forward_backward = max(
        accumulated_gradients + saved + free_bytes + activations.logits + free.logits,
        peak_candidates["vision"],
        peak_candidates["layer"],
    )
    reallocated = 0.0 if stack.empties_cache else STATE_IN_ACTIVATION_BLOCKS
    update = optimizer_step + int(reallocated * (forward_backward - accumulated_gradients))
    return ReservedMemory(max(forward_backward, update, peak_candidates["last"], least), least)
