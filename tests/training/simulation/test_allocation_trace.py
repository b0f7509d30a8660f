"""Reserved memory of a replayed step on a large GPU and on the smallest sufficient one."""

from __future__ import annotations

from deepsynth_tui.estimate.memory.allocator import MIB
from deepsynth_tui.training.simulation.allocation_trace import PRECISION, AllocationTrace

GIB = 2**30


def step(trace: AllocationTrace, *sizes: int) -> None:
    """Allocate and free sizes one after the other."""
    for storage, size in enumerate(sizes, start=1):
        trace.allocate(storage, size)
        trace.free(storage)


def test_blocks_that_are_too_small_stay_reserved():
    trace = AllocationTrace(static_bytes=5 * GIB)
    step(trace, GIB, 2 * GIB, 3 * GIB)
    assert trace.peak_reserved() == 5 * GIB + 6 * GIB
    assert 0 <= trace.min_capacity() - (5 + 3) * GIB <= PRECISION


def test_blocks_that_are_large_enough_are_reused():
    trace = AllocationTrace()
    step(trace, 3 * GIB, 2 * GIB, GIB)
    assert trace.peak_reserved() == 3 * GIB


def test_optimizer_states_take_blocks_of_activations():
    """They are allocated in the blocks of the first step's activations; the second needs others."""
    trace = AllocationTrace(optimizer_states=(512 * MIB,))
    step(trace, 2 * GIB)
    trace.start_optimizer_step()
    trace.allocate_workspace(MIB)
    assert trace.peak_reserved() == 4 * GIB + 2 * MIB
    plain = AllocationTrace(static_bytes=512 * MIB)
    step(plain, 2 * GIB)
    assert plain.peak_reserved() == 512 * MIB + 2 * GIB


def test_static_storages_are_not_freed():
    trace = AllocationTrace(static_bytes=GIB)
    trace.free(7)
    trace.allocate(1, GIB)
    assert trace.peak_reserved() == 2 * GIB


def test_storages_alive_after_a_step_are_freed_for_the_next():
    trace = AllocationTrace()
    trace.allocate(1, GIB)
    trace.allocate(2, 0)
    assert trace.peak_reserved() == GIB
