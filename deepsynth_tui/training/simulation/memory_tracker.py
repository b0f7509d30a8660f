"""Live bytes by category: every storage that an operation allocates, until Python frees it.

`torch.distributed._tools.mem_tracker.MemTracker` does something similar. It is not used because it
is private, and because it sees the CPU's operations: here their kernels are replaced by those of
CUDA, sizes are round_size as CUDA's allocator does, and allocations are recorded in their order.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch

from deepsynth_tui.estimate.memory.allocator import round_size
from deepsynth_tui.training.simulation.allocation_trace import AllocationTrace

Category = Literal["weights", "adapters", "gradients", "optimizer", "activations", "logits"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


@dataclass
class MemoryTracker:
    """Live bytes by category. `peak` is their largest sum so far, `peak_by_category` its parts.

    `trace` has the allocations since `start_step` in order. Outputs of more than one dimension
    whose last one is `vocab_size` count as logits.
    """

    vocab_size: int
    live: dict[Category, int] = field(default_factory=lambda: dict.fromkeys(CATEGORIES, 0))
    peak_by_category: Mapping[Category, int] = field(default_factory=dict)
    peak: int = 0
    trace: AllocationTrace = field(default_factory=AllocationTrace)
    _total: int = 0
    _storages: dict[int, tuple[int, Category]] = field(default_factory=dict)

    def assign(self, tensors: Iterable[torch.Tensor], category: Category) -> None:
        """Count these tensors in `category`, whatever they were counted in before."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            size, before = self._storages.get(storage._cdata, (0, category))
            if not size:
                self._add(storage, category)
            elif before != category:
                self._storages[storage._cdata] = (size, category)
                self.live[before] -= size
                self.live[category] += size

    def track_output(self, tensor: torch.Tensor) -> None:
        """Count the output of an operation, once for all views of its storage."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            is_logits = tensor.ndim > 1 and tensor.shape[-1] == self.vocab_size
            self._add(storage, "logits" if is_logits else "activations")

    def track_workspace(self, size: int) -> None:
        """Count bytes that a kernel allocates and frees within one operation."""
        self._update_peak(size)
        self.trace.allocate_workspace(size)

    def start_step(self) -> None:
        """Forget the peak so far and start a new trace; the optimizer states already exist."""
        self.peak, self.peak_by_category = 0, {}
        self._update_peak(0)
        states = tuple(
            size for size, category in self._storages.values() if category == "optimizer"
        )
        self.trace = AllocationTrace(
            static_bytes=self._total - sum(states), optimizer_states=states
        )

    def _add(self, storage: torch.UntypedStorage, category: Category) -> None:
        size = round_size(storage.nbytes())
        self._storages[storage._cdata] = (size, category)
        self.live[category] += size
        self._total += size
        weakref.finalize(storage, self._remove, storage._cdata)
        self._update_peak(0)
        self.trace.allocate(storage._cdata, size)

    def _remove(self, key: int) -> None:
        size, category = self._storages.pop(key)
        self.live[category] -= size
        self._total -= size
        self.trace.free(key)

    def _update_peak(self, workspace: int) -> None:
        if self._total + workspace > self.peak:
            self.peak = self._total + workspace
            activations = self.live["activations"] + workspace
            self.peak_by_category = {**self.live, "activations": activations}
