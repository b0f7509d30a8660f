"""The tracker counts each live storage once, in the blocks of the allocator."""

from __future__ import annotations

import torch

from deepsynth_tui.estimate.memory.allocator import BLOCK
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker

VOCAB = 40


def zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


def test_blocks_views_and_freed_storages():
    tracker = MemoryTracker(VOCAB)
    first, second = zeros(1), zeros(129)
    tracker.track_output(first)
    tracker.track_output(second)
    assert tracker.live["activations"] == BLOCK + 2 * BLOCK
    tracker.track_output(second[:5])
    tracker.track_output(second.view(3, 43))
    assert tracker.live["activations"] == 3 * BLOCK
    view = second[7:]
    del second
    assert tracker.live["activations"] == 3 * BLOCK
    del view
    assert tracker.live["activations"] == BLOCK
    assert tracker.peak == 3 * BLOCK


def test_categories():
    tracker = MemoryTracker(VOCAB)
    weight, logits, flat = zeros(10, 128), zeros(2, VOCAB), zeros(VOCAB)
    tracker.assign([weight], "weights")
    tracker.track_output(weight.T)
    assert tracker.live["weights"] == 10 * BLOCK
    tracker.track_output(logits)
    tracker.track_output(flat)
    assert tracker.live["logits"] == tracker.live["activations"] == BLOCK
    tracker.assign([weight, flat], "gradients")
    assert tracker.live["gradients"] == 11 * BLOCK
    assert tracker.live["weights"] == tracker.live["activations"] == 0
    del weight, logits, flat
    assert not any(tracker.live.values())


def test_the_peak_by_category():
    tracker = MemoryTracker(VOCAB)
    weight = zeros(128)
    tracker.assign([weight], "weights")
    temporary = zeros(5, 128)
    tracker.track_output(temporary)
    del temporary
    tracker.track_workspace(2 * BLOCK)
    assert tracker.peak == sum(tracker.peak_by_category.values()) == 6 * BLOCK
    tracker.track_workspace(7 * BLOCK)
    assert tracker.peak == sum(tracker.peak_by_category.values()) == 8 * BLOCK
    assert tracker.peak_by_category["activations"] == 7 * BLOCK
    assert tracker.live["activations"] == 0
    tracker.start_step()
    assert tracker.peak == tracker.peak_by_category["weights"] == BLOCK
