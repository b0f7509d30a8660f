"""The ledger counts what is alive, once, in the blocks of the allocator."""

from __future__ import annotations

import torch

from deepsynth_tui.estimate.memory.allocator import BLOCK
from deepsynth_tui.training.simulation.ledger import Ledger

VOCAB = 40


def numbers(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


def test_blocks_views_and_freed_storages():
    ledger = Ledger(VOCAB)
    one, other = numbers(1), numbers(129)
    ledger.made(one)
    ledger.made(other)
    assert ledger.now["activations"] == BLOCK + 2 * BLOCK
    ledger.made(other[:5])
    ledger.made(other.view(3, 43))
    assert ledger.now["activations"] == 3 * BLOCK
    view = other[7:]
    del other
    assert ledger.now["activations"] == 3 * BLOCK
    del view
    assert ledger.now["activations"] == BLOCK
    assert ledger.peak == 3 * BLOCK


def test_owners():
    ledger = Ledger(VOCAB)
    weight, logits, flat = numbers(10, 128), numbers(2, VOCAB), numbers(VOCAB)
    ledger.assign([weight], "weights")
    ledger.made(weight.T)
    assert ledger.now["weights"] == 10 * BLOCK
    ledger.made(logits)
    ledger.made(flat)
    assert ledger.now["logits"] == ledger.now["activations"] == BLOCK
    ledger.assign([weight, flat], "gradients")
    assert ledger.now["gradients"] == 11 * BLOCK
    assert ledger.now["weights"] == ledger.now["activations"] == 0
    del weight, logits, flat
    assert not any(ledger.now.values())


def test_the_peak_and_whose_it_is():
    ledger = Ledger(VOCAB)
    weight = numbers(128)
    ledger.assign([weight], "weights")
    passed = numbers(5, 128)
    ledger.made(passed)
    del passed
    ledger.passing(2 * BLOCK)
    assert ledger.peak == sum(ledger.at_peak.values()) == 6 * BLOCK
    ledger.passing(7 * BLOCK)
    assert ledger.peak == sum(ledger.at_peak.values()) == 8 * BLOCK
    assert ledger.at_peak["activations"] == 7 * BLOCK
    assert ledger.now["activations"] == 0
    ledger.start()
    assert ledger.peak == ledger.at_peak["weights"] == BLOCK
