"""The allocations of a step in order, and what the caching allocator reserves for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepsynth_tui.estimate.memory.allocator import Block, CachingAllocator, OutOfMemory

STEPS = 3
"""Steps until reserved memory no longer changes: the first allocates optimizer states where its
activations were, and the second finds that memory taken."""

PRECISION = 2**26
"""Precision in bytes of the smallest sufficient GPU: 64 MiB."""


@dataclass
class AllocationTrace:
    """One step. `static_bytes` are allocated before it and kept.

    `optimizer_states` are the sizes of the optimizer's states. An entry is the id of a storage and
    its bytes when it is allocated, 0 when it is freed.
    """

    static_bytes: int = 0
    optimizer_states: tuple[int, ...] = ()
    _entries: list[tuple[int, int]] = field(default_factory=list)
    _optimizer_step: int | None = None

    def allocate(self, storage: int, size: int) -> None:
        """Record that a storage of `size` bytes is allocated; an empty one is not."""
        if size:
            self._entries.append((storage, size))

    def free(self, storage: int) -> None:
        """Record that a storage is freed."""
        self._entries.append((storage, 0))

    def allocate_workspace(self, size: int) -> None:
        """Record that bytes are allocated and freed at once."""
        self.allocate(0, size)
        self.free(0)

    def start_optimizer_step(self) -> None:
        """Record that the optimizer step starts here."""
        self._optimizer_step = len(self._entries)

    def peak_reserved(self) -> int:
        """Return the bytes that PyTorch reserves on a GPU with plenty, ``max_memory_reserved``.

        Static bytes are not replayed: they were loaded into memory reserved for all of them at once
        (transformers' `caching_allocator_warmup`).
        """
        return self.static_bytes + self._replay_steps(CachingAllocator())

    def min_capacity(self, precision: int = PRECISION) -> int:
        """Return the memory of the smallest GPU on which these steps run, to `precision` bytes."""
        sufficient = self._replay_steps(CachingAllocator())
        insufficient = self._peak_allocated()
        while sufficient - insufficient > precision:
            limit = (sufficient + insufficient) // 2
            try:
                sufficient = self._replay_steps(CachingAllocator(limit))
            except OutOfMemory:
                insufficient = limit
        return self.static_bytes + sufficient

    def _peak_allocated(self) -> int:
        """Return the most bytes allocated at once after the first step, a lower bound."""
        live: dict[int, int] = {}
        allocated = peak = sum(self.optimizer_states)
        for storage, size in self._entries:
            allocated += size - live.pop(storage, 0)
            if size:
                live[storage] = size
            peak = max(peak, allocated)
        return peak

    def _replay_steps(self, allocator: CachingAllocator) -> int:
        """Replay the steps and return the peak of reserved bytes. Raises `OutOfMemory`."""
        for step in range(STEPS):
            live: dict[int, Block] = {}
            _replay(self._entries[: self._optimizer_step], allocator, live)
            if step == 0:
                for size in self.optimizer_states:
                    allocator.allocate(size)
            if self._optimizer_step is not None:
                _replay(self._entries[self._optimizer_step :], allocator, live)
            for block in live.values():  # gradients, and storages that Python still references
                allocator.free(block)
        return allocator.peak


def _replay(
    entries: Iterable[tuple[int, int]], allocator: CachingAllocator, live: dict[int, Block]
) -> None:
    """Replay entries. Storages from before the trace are not the allocator's and are skipped."""
    for storage, size in entries:
        if size:
            live[storage] = allocator.allocate(size)
        elif storage in live:
            allocator.free(live.pop(storage))
