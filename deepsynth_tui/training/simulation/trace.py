"""The order in which a step takes and gives back memory, and what the allocator makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepsynth_tui.estimate.memory.allocator import Block, CachingAllocator, OutOfMemory

STEPS = 3
"""Steps until nothing changes: the first makes the optimizer's states where its activations were,
the second finds those places taken."""

PRECISION = 2**26
"""Bytes to which the smallest sufficient GPU is looked for: 64 MiB."""


@dataclass
class Trace:
    """One step. `held` bytes are there before it and stay; `states` are sizes of the optimizer's.

    An entry is a storage's number and the bytes it takes, or its number and 0 when it goes.
    """

    held: int = 0
    states: tuple[int, ...] = ()
    _entries: list[tuple[int, int]] = field(default_factory=list)
    _update: int | None = None

    def came(self, storage: int, size: int) -> None:
        """A storage takes `size` bytes; an empty one takes none."""
        if size:
            self._entries.append((storage, size))

    def went(self, storage: int) -> None:
        """A storage is given back."""
        self._entries.append((storage, 0))

    def passing(self, size: int) -> None:
        """Bytes are taken and given back at once, by no storage."""
        self.came(0, size)
        self.went(0)

    def updates(self) -> None:
        """From here on the optimizer works."""
        self._update = len(self._entries)

    def reserved(self) -> int:
        """Bytes that a GPU with room in plenty gives over some steps, ``max_memory_reserved``.

        What is held before a step was loaded into room taken for it as a whole
        (transformers' `caching_allocator_warmup`), and is counted as it is.
        """
        return self.held + self._steps(CachingAllocator())

    def least(self, precision: int = PRECISION) -> int:
        """Bytes of the smallest GPU on which these steps run, found to `precision` bytes."""
        runs = self._steps(CachingAllocator())
        fails = self._in_use()
        while runs - fails > precision:
            limit = (runs + fails) // 2
            try:
                runs = self._steps(CachingAllocator(limit))
            except OutOfMemory:
                fails = limit
        return self.held + runs

    def _in_use(self) -> int:
        """Most bytes in use at once after the first step: less never does."""
        live: dict[int, int] = {}
        now = most = sum(self.states)
        for storage, size in self._entries:
            now += size - live.pop(storage, 0)
            if size:
                live[storage] = size
            most = max(most, now)
        return most

    def _steps(self, allocator: CachingAllocator) -> int:
        """Take the steps; return what the allocator has reserved at most. Raises OutOfMemory."""
        for number in range(STEPS):
            live: dict[int, Block] = {}
            _replay(self._entries[: self._update], allocator, live)
            if number == 0:
                for size in self.states:
                    allocator.allocate(size)
            if self._update is not None:
                _replay(self._entries[self._update :], allocator, live)
            for block in live.values():  # gradients, and what Python has not let go of
                allocator.free(block)
        return allocator.peak


def _replay(
    entries: Iterable[tuple[int, int]], allocator: CachingAllocator, live: dict[int, Block]
) -> None:
    """Serve entries. A storage that was there before the trace is none of the allocator's."""
    for storage, size in entries:
        if size:
            live[storage] = allocator.allocate(size)
        elif storage in live:
            allocator.free(live.pop(storage))
