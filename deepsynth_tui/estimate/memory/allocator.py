"""What PyTorch's caching allocator takes from the driver to serve a sequence of allocations.

The rules are those of c10/cuda/CUDACachingAllocator.cpp with its default settings and one stream:
a freed block is kept and joined with free neighbours of its segment; an allocation gets the
smallest free block that holds it, whose rest is split off; only where there is none, a new segment
is taken. So what is reserved is more than was ever in use at once. Where the GPU has no room for a
segment, those that are free as a whole are given back first.
"""

from __future__ import annotations

from bisect import bisect_left, insort

MIB = 2**20
BLOCK = 512
"""Sizes are rounded up to multiples of this (`kMinBlockSize`); ``memory_allocated`` counts them."""
SMALL = 1 * MIB  # the largest allocation of the small pool (`kSmallSize`)
SMALL_SEGMENT = 2 * MIB  # `kSmallBuffer`
MEDIUM = 10 * MIB  # from here on a segment serves one allocation (`kMinLargeAlloc`)
MEDIUM_SEGMENT = 20 * MIB  # `kLargeBuffer`
SEGMENT_STEP = 2 * MIB  # larger segments are multiples of this (`kRoundLarge`)


def round_size(size: int) -> int:
    """Bytes that an allocation of `size` bytes counts for."""
    return -(-size // BLOCK) * BLOCK


def segment_bytes(size: int) -> int:
    """Bytes that are taken from the driver for an allocation that no free block holds."""
    if size <= SMALL:
        return SMALL_SEGMENT
    if size < MEDIUM:
        return MEDIUM_SEGMENT
    return -(-size // SEGMENT_STEP) * SEGMENT_STEP


class _Pool:
    """Free blocks, by size and then address. `least` is the smallest rest that is split off."""

    def __init__(self, least: int) -> None:
        self.least = least
        self._keys: list[tuple[int, int]] = []
        self._blocks: dict[tuple[int, int], Block] = {}

    def take(self, size: int) -> Block | None:
        """The smallest block of at least `size` bytes, which is free no more."""
        at = bisect_left(self._keys, (size, 0))
        return self._blocks.pop(self._keys.pop(at)) if at < len(self._keys) else None

    def add(self, block: Block) -> None:
        key = block.size, block.address
        insort(self._keys, key)
        self._blocks[key] = block

    def remove(self, block: Block) -> None:
        key = block.size, block.address
        del self._keys[bisect_left(self._keys, key)], self._blocks[key]

    def release(self) -> int:
        """Give back the segments that are free as a whole; how many bytes they had."""
        whole = [block for block in self._blocks.values() if block.is_segment]
        for block in whole:
            self.remove(block)
        return sum(block.size for block in whole)


class Block:
    """A piece of a segment: bytes from `address` on, and its neighbours there."""

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
        """Whether it is all of its segment."""
        return self.before is None and self.after is None

    def split(self, size: int) -> Block:
        """Keep `size` bytes, and return the rest as a block of its own."""
        rest = Block(self.pool, self.address + size, self.size - size)
        self.size = size
        rest.before, rest.after = self, self.after
        if rest.after is not None:
            rest.after.before = rest
        self.after = rest
        return rest

    def absorb(self, after: Block) -> None:
        """Become one with the neighbour behind."""
        self.size += after.size
        self.after = after.after
        if self.after is not None:
            self.after.before = self


class OutOfMemory(Exception):
    """The GPU has no room for an allocation, even with all given back that can be."""


class CachingAllocator:
    """The allocator of one GPU with room for `limit` bytes, None for as many as are wanted.

    `reserved` bytes are taken from the driver now, `peak` at most so far.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.reserved = self.peak = 0
        self._address = 0  # segments lie apart: blocks of two are never neighbours
        self._small = _Pool(least=BLOCK)
        self._large = _Pool(least=SMALL + 1)

    def allocate(self, size: int) -> Block:
        """Serve `size` bytes; `free` takes them back. Raises OutOfMemory."""
        size = round_size(size)
        pool = self._small if size <= SMALL else self._large
        block = pool.take(size) or self._segment(pool, segment_bytes(size))
        block.free = False
        if block.size - size >= pool.least:
            rest = block.split(size)
            rest.free = True
            pool.add(rest)
        return block

    def free(self, block: Block) -> None:
        """Take a block back, joined with what is free beside it."""
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
