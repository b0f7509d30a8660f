"""What a GPU gives for a step that is replayed: with room, and with as little as does."""

from __future__ import annotations

from deepsynth_tui.estimate.memory.allocator import MIB
from deepsynth_tui.training.simulation.allocation_trace import PRECISION, AllocationTrace

GIB = 2**30


def step(trace: AllocationTrace, *sizes: int) -> None:
    """Take and give back sizes one after the other."""
    for number, size in enumerate(sizes, start=1):
        trace.allocate(number, size)
        trace.free(number)


def test_blocks_too_small_for_what_follows_are_held():
    trace = AllocationTrace(static_bytes=5 * GIB)
    step(trace, GIB, 2 * GIB, 3 * GIB)
    assert trace.peak_reserved() == 5 * GIB + 6 * GIB
    assert 0 <= trace.min_capacity() - (5 + 3) * GIB <= PRECISION


def test_blocks_that_are_large_enough_are_used_again():
    trace = AllocationTrace()
    step(trace, 3 * GIB, 2 * GIB, GIB)
    assert trace.peak_reserved() == 3 * GIB


def test_the_states_of_the_optimizer_settle_where_the_activations_were():
    """They come after the first step's activations, whose place the second step finds taken."""
    trace = AllocationTrace(optimizer_states=(512 * MIB,))
    step(trace, 2 * GIB)
    trace.start_optimizer_step()
    trace.allocate_workspace(MIB)
    assert trace.peak_reserved() == 4 * GIB + 2 * MIB
    plain = AllocationTrace(static_bytes=512 * MIB)
    step(plain, 2 * GIB)
    assert plain.peak_reserved() == 512 * MIB + 2 * GIB


def test_what_was_there_before_is_not_given_back():
    trace = AllocationTrace(static_bytes=GIB)
    trace.free(7)
    trace.allocate(1, GIB)
    assert trace.peak_reserved() == 2 * GIB


def test_what_a_step_leaves_alive_is_free_for_the_next():
    trace = AllocationTrace()
    trace.allocate(1, GIB)
    trace.allocate(2, 0)
    assert trace.peak_reserved() == GIB
