"""Floats are fake, small integers real, and integers that depend on floats are balanced."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode

from deepsynth_tui.estimate.memory.allocator import BLOCK
from deepsynth_tui.training.simulation import fake_tensors
from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors, balanced_indices
from deepsynth_tui.training.simulation.memory_tracker import MemoryTracker


@pytest.fixture
def mode() -> Iterator[TrackedFakeTensors]:
    with TrackedFakeTensors(
        FakeTensorMode(allow_non_fake_inputs=True), MemoryTracker(vocab_size=7)
    ) as entered:
        yield entered


def floats(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape)


@pytest.mark.usefixtures("mode")
def test_integers_keep_their_values():
    assert isinstance(floats(3, 5), FakeTensor)
    positions = torch.arange(6).view(2, 3) + 1
    assert positions.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (positions > 4).sum().item() == 2
    assert isinstance(floats(3, 5)[:, torch.arange(2)], FakeTensor)


def test_large_integers_are_fake(mode: TrackedFakeTensors, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fake_tensors, "MAX_REAL_BYTES", 8 * 1000)
    assert not isinstance(torch.arange(1000), FakeTensor)
    assert isinstance(torch.arange(1001), FakeTensor)
    assert mode.tracker.live["activations"] == 0
    held = torch.arange(1001)
    assert mode.tracker.live["activations"] == 16 * BLOCK == -(-held.nbytes // BLOCK) * BLOCK


@pytest.mark.usefixtures("mode")
def test_a_mask_gives_the_shape_of_its_values():
    hidden = floats(2, 4, 8)
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])
    assert hidden[mask].shape == (3, 8)
    hidden[mask] = floats(3, 8)
    unknown = floats(2, 4) > 0
    assert isinstance(unknown, FakeTensor)
    assert hidden[unknown].shape == (8, 8)


def test_the_indices_of_a_mask_count_as_workspace(mode: TrackedFakeTensors):
    hidden, mask = floats(64, 128), torch.zeros(64, 128, dtype=torch.bool)
    mask[:, ::2] = True
    mode.tracker.start_step()
    before = mode.tracker.peak
    gathered = hidden[mask]
    assert gathered.shape == (64 * 64,)
    assert mode.tracker.peak - before == 2 * 8 * 64 * 64


@pytest.mark.usefixtures("mode")
def test_every_expert_gets_equally_many_tokens():
    weights, chosen = torch.topk(floats(64, 8), 2, dim=-1)
    assert isinstance(weights, FakeTensor)
    assert weights.shape == chosen.shape == (64, 2)
    assert torch.bincount(chosen.flatten(), minlength=8).tolist() == [16] * 8
    assert all(first != second for first, second in chosen.tolist())


def test_balanced_indices_for_any_number_of_experts():
    chosen = balanced_indices(torch.Size((64, 6)), count=48)
    assert torch.bincount(chosen.flatten(), minlength=48).tolist() == [8] * 48
    assert all(len(set(row)) == 6 for row in chosen.tolist())


@pytest.mark.usefixtures("mode")
def test_no_page_is_empty():
    assert (floats(5, 3).sum(dim=-1) != 0).tolist() == [True] * 5


def test_outputs_are_counted_until_freed(mode: TrackedFakeTensors):
    hidden = floats(10, 128)
    assert mode.tracker.live["activations"] == 10 * BLOCK
    added = hidden + 1
    assert mode.tracker.live["activations"] == 20 * BLOCK
    logits = hidden @ floats(128, 7)
    assert mode.tracker.live["logits"] == BLOCK
    del hidden, added, logits
    assert not any(mode.tracker.live.values())
    assert mode.tracker.peak == 28 * BLOCK
