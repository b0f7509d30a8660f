"""The allocator follows PyTorch's rules. `tests/gpu/test_allocator.py` compares it with CUDA's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.estimate.memory.allocator import (
    BLOCK,
    MEDIUM,
    MEDIUM_SEGMENT,
    MIB,
    SMALL,
    SMALL_SEGMENT,
    Block,
    CachingAllocator,
    OutOfMemory,
    round_size,
    segment_bytes,
)

SIZES = st.one_of(st.integers(1, SMALL), st.integers(SMALL + 1, 40 * MIB))
STEPS = st.lists(st.tuples(SIZES, st.integers(0, 9)), max_size=60)


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (1, SMALL_SEGMENT),
        (SMALL, SMALL_SEGMENT),
        (SMALL + 1, MEDIUM_SEGMENT),
        (MEDIUM - BLOCK, MEDIUM_SEGMENT),
        (MEDIUM, MEDIUM),
        (21 * MIB, 22 * MIB),
    ],
)
def test_segment_size_of_an_allocation(size: int, segment: int):
    assert segment_bytes(size) == segment
    allocator = CachingAllocator()
    allocator.allocate(size)
    assert allocator.reserved == segment


def test_only_small_allocations_share_a_small_segment():
    allocator = CachingAllocator()
    for _ in range(4):
        allocator.allocate(SMALL // 2)
    assert allocator.reserved == SMALL_SEGMENT
    allocator.allocate(1)
    assert allocator.reserved == 2 * SMALL_SEGMENT
    allocator.allocate(2 * MIB)
    assert allocator.reserved == 2 * SMALL_SEGMENT + MEDIUM_SEGMENT


def test_the_smallest_sufficient_free_block_is_used():
    allocator = CachingAllocator()
    blocks = [allocator.allocate(size * MIB) for size in (64, 32, 48)]
    for block in blocks:
        allocator.free(block)
    assert allocator.allocate(40 * MIB).address == blocks[2].address
    assert allocator.allocate(8 * MIB).address == blocks[2].address + 40 * MIB
    assert allocator.reserved == 144 * MIB


def test_a_remainder_of_a_mebibyte_is_not_split_off():
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(16 * MIB))
    assert allocator.allocate(15 * MIB).size == 16 * MIB
    allocator = CachingAllocator()
    allocator.free(allocator.allocate(16 * MIB))
    assert allocator.allocate(15 * MIB - BLOCK).size == 15 * MIB - BLOCK


def test_free_neighbours_merge_in_any_order():
    for order in ((0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 0, 2)):
        allocator = CachingAllocator()
        allocator.free(allocator.allocate(60 * MIB))
        parts = [allocator.allocate(20 * MIB) for _ in range(3)]
        for number in order:
            allocator.free(parts[number])
        assert allocator.allocate(60 * MIB).is_segment
        assert allocator.reserved == 60 * MIB


def test_segments_of_different_phases_add_up():
    """This is why nvidia-smi shows more memory than the peak in use."""
    allocator = CachingAllocator()
    for _ in range(2):
        layer = [allocator.allocate(100 * MIB) for _ in range(3)]
        for block in layer:
            allocator.free(block)
        allocator.free(allocator.allocate(300 * MIB))
    assert allocator.reserved == 600 * MIB


def test_free_segments_are_released_when_the_gpu_is_full():
    allocator = CachingAllocator(limit=100 * MIB)
    free, split = allocator.allocate(40 * MIB), allocator.allocate(40 * MIB)
    allocator.free(free)
    allocator.free(split)
    block = allocator.allocate(8 * MIB)
    allocator.allocate(60 * MIB)
    assert allocator.reserved == 100 * MIB
    assert allocator.peak == 100 * MIB
    with pytest.raises(OutOfMemory):
        allocator.allocate(33 * MIB)
    allocator.free(block)
    allocator.allocate(40 * MIB)


@given(STEPS)
def test_blocks_never_overlap_and_merge_into_whole_segments(steps: Sequence[tuple[int, int]]):
    allocator = CachingAllocator()
    live: list[Block] = []
    for size, at in steps:
        block = allocator.allocate(size)
        assert block.size >= round_size(size)
        live.append(block)
        if at < len(live) - 1:
            allocator.free(live.pop(at))
        ends = sorted(
            (live_block.address, live_block.address + live_block.size) for live_block in live
        )
        assert all(before[1] <= after[0] for before, after in pairwise(ends))
        assert sum(live_block.size for live_block in live) <= allocator.reserved
    before = allocator.reserved
    for block in live:
        allocator.free(block)
    # With all blocks free, a full GPU releases every segment and can allocate that size at once.
    if before >= MEDIUM_SEGMENT:
        allocator.limit = before
        allocator.allocate(before)
        assert allocator.reserved == before
