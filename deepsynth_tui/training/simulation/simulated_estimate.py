"""The result of a simulation, and an estimate with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepsynth_tui.estimate.memory.run_memory import MemoryItem
from deepsynth_tui.estimate.resources import Estimate


@dataclass(frozen=True, slots=True)
class SimulatedMemory:
    """Memory of one step in bytes: `allocated` at its peak, of that `parts` by item.

    PyTorch's allocator takes `reserved` from a GPU with plenty of memory, and needs at least
    `min_capacity`. `notes` say what differs from a GPU. The simulation itself took `seconds`.
    """

    allocated: int
    reserved: int
    min_capacity: int
    parts: Mapping[MemoryItem, int]
    notes: tuple[str, ...]
    seconds: float

    def apply(self, estimate: Estimate) -> Estimate:
        """Return the estimate with the simulated memory; what was not simulated stays."""
        text_encoder = estimate.breakdown["text_encoder"]
        overhead = estimate.overhead
        cached = self.reserved - self.allocated
        device = self.allocated + text_encoder + overhead.total(cached)
        breakdown: dict[MemoryItem, int] = {
            **estimate.breakdown,
            **self.parts,
            "overhead": overhead.total(self.min_capacity - self.allocated),
        }
        needed = max(sum(breakdown.values()), estimate.peak_loading, estimate.peak_evaluation)
        return replace(
            estimate,
            breakdown=breakdown,
            peak_allocated=self.allocated + text_encoder,
            cached=cached,
            peak_device=device,
            gpus=tuple(row.with_memory(needed, device) for row in estimate.gpus),
            warnings=(*estimate.warnings, *self.notes),
            source="simulated",
        )
