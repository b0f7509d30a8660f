"""The tracker counts what is alive, once, in the blocks of the allocator."""

from __future__ import annotations

import torch

from deepsynth_tui.estimate.memory.allocator import BLOCK
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker

VOCAB = 40


def numbers(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


def test_blocks_views_and_freed_storages():
    tracker = MemoryTracker(VOCAB)
    one, other = numbers(1), numbers(129)
    tracker.track_output(one)
    tracker.track_output(other)
    assert tracker.live["activations"] == BLOCK + 2 * BLOCK
    tracker.track_output(other[:5])
    tracker.track_output(other.view(3, 43))
    assert tracker.live["activations"] == 3 * BLOCK
    view = other[7:]
    del other
    assert tracker.live["activations"] == 3 * BLOCK
    del view
    assert tracker.live["activations"] == BLOCK
    assert tracker.peak == 3 * BLOCK


def test_owners():
    tracker = MemoryTracker(VOCAB)
    weight, logits, flat = numbers(10, 128), numbers(2, VOCAB), numbers(VOCAB)
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


def test_the_peak_and_whose_it_is():
    tracker = MemoryTracker(VOCAB)
    weight = numbers(128)
    tracker.assign([weight], "weights")
    passed = numbers(5, 128)
    tracker.track_output(passed)
    del passed
    tracker.track_workspace(2 * BLOCK)
    assert tracker.peak == sum(tracker.peak_by_category.values()) == 6 * BLOCK
    tracker.track_workspace(7 * BLOCK)
    assert tracker.peak == sum(tracker.peak_by_category.values()) == 8 * BLOCK
    assert tracker.peak_by_category["activations"] == 7 * BLOCK
    assert tracker.live["activations"] == 0
    tracker.start_step()
    assert tracker.peak == tracker.peak_by_category["weights"] == BLOCK
