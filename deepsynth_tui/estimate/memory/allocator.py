"""A model of PyTorch's caching allocator: the bytes it reserves for a sequence of allocations.

The rules are those of c10/cuda/CUDACachingAllocator.cpp with default settings and one stream. A
freed block is cached and merged with free neighbours in its segment. An allocation takes the
smallest free block that is large enough and splits off the rest; only if there is none, the
allocator reserves a new segment. Therefore it reserves more than was ever allocated at once. If the
GPU has no memory for a segment, the allocator first releases the segments that are entirely free.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from deepsynth_tui.units import MIB

BLOCK = 512
"""Sizes are rounded up to a multiple of this (`kMinBlockSize`), also in ``memory_allocated``."""
SMALL = 1 * MIB  # the largest allocation of the small pool (`kSmallSize`)
SMALL_SEGMENT = 2 * MIB  # `kSmallBuffer`
MEDIUM = 10 * MIB  # from here on an allocation has a segment of its own (`kMinLargeAlloc`)
MEDIUM_SEGMENT = 20 * MIB  # `kLargeBuffer`
SEGMENT_STEP = 2 * MIB  # larger segments are multiples of this (`kRoundLarge`)


def round_size(size: int) -> int:
    """Round the size of an allocation up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def segment_bytes(size: int) -> int:
    """Size of the segment that is reserved for an allocation that fits into no free block."""
    if size <= SMALL:
        return SMALL_SEGMENT
    if size < MEDIUM:
        return MEDIUM_SEGMENT
    return -(-size // SEGMENT_STEP) * SEGMENT_STEP


class _Pool:
    """Free blocks by size, then address. Rests of `min_remainder` bytes or more are split off."""

    def __init__(self, min_remainder: int) -> None:
        self.min_remainder = min_remainder
        self._keys: list[tuple[int, int]] = []
        self._blocks: dict[tuple[int, int], Block] = {}

    def take(self, size: int) -> Block | None:
        """Remove and return the smallest block of at least `size` bytes."""
        index = bisect_left(self._keys, (size, 0))
        return self._blocks.pop(self._keys.pop(index)) if index < len(self._keys) else None

    def add(self, block: Block) -> None:
        """Insert a free block."""
        key = block.size, block.address
        insort(self._keys, key)
        self._blocks[key] = block

    def remove(self, block: Block) -> None:
        """Remove a free block."""
        key = block.size, block.address
        del self._keys[bisect_left(self._keys, key)], self._blocks[key]

    def release(self) -> int:
        """Release the segments that are entirely free, and return their size."""
        segments = [block for block in self._blocks.values() if block.is_segment]
        for block in segments:
            self.remove(block)
        return sum(block.size for block in segments)


class Block:
    """A part of a segment: `size` bytes at `address`, linked to its neighbours."""

    __slots__ = ("address", "after", "before", "free", "pool", "size")

    def __init__(self, pool: _Pool, address: int, size: int) -> None:
        self.pool = pool
        self.address = address
        self.size = size
        self.free = False
        self.before: Block | None = None
        self.after: Block | None = None

    @property
    def is_segment(self) -> bool:
        """Whether it spans its whole segment."""
        return self.before is None and self.after is None

    def split(self, size: int) -> Block:
        """Shrink to `size` bytes, and return the rest as a new block."""
        rest = Block(self.pool, self.address + size, self.size - size)
        self.size = size
        rest.before, rest.after = self, self.after
        if rest.after is not None:
            rest.after.before = rest
        self.after = rest
        return rest

    def absorb(self, after: Block) -> None:
        """Merge with the next block."""
        self.size += after.size
        self.after = after.after
        if self.after is not None:
            self.after.before = self


class OutOfMemory(Exception):
    """The GPU has no memory for an allocation, even after free segments are released."""


class CachingAllocator:
    """The allocator of a GPU with `limit` bytes of memory, None for unlimited.

    `reserved` is the number of bytes reserved now, `peak` its maximum so far.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.reserved = self.peak = 0
        self._address = 0  # blocks of different segments are never neighbours
        self._small = _Pool(min_remainder=BLOCK)
        self._large = _Pool(min_remainder=SMALL + 1)

    def allocate(self, size: int) -> Block:
        """Allocate a block of `size` bytes. Raises OutOfMemory."""
        size = round_size(size)
        pool = self._small if size <= SMALL else self._large
        block = pool.take(size) or self._segment(pool, segment_bytes(size))
        block.free = False
        if block.size - size >= pool.min_remainder:
            rest = block.split(size)
            rest.free = True
            pool.add(rest)
        return block

    def free(self, block: Block) -> None:
        """Free a block, and merge it with free neighbours."""
        pool = block.pool
        if (after := block.after) is not None and after.free:
            pool.remove(after)
            block.absorb(after)
        if (before := block.before) is not None and before.free:
            pool.remove(before)
            before.absorb(block)
            block = before
        block.free = True
        pool.add(block)

    def _segment(self, pool: _Pool, size: int) -> Block:
        if self.limit is not None and self.reserved + size > self.limit:
            self.reserved -= self._small.release() + self._large.release()
            if self.reserved + size > self.limit:
                raise OutOfMemory
        block = Block(pool, self._address, size)
        self._address += size
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        return block
