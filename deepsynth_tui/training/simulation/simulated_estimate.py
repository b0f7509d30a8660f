"""What a simulation found, and an estimate that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepsynth_tui.estimate.closed_form import Estimate, MemoryItem


@dataclass(frozen=True, slots=True)
class Simulated:
    """Bytes of one step: `allocated` at its peak, and `parts` of that by what they belong to.

    `reserved` is what PyTorch's allocator takes from a GPU that has plenty, `least` what it must
    have at least. `notes` say what differs from a GPU; `seconds` is how long the simulation itself
    took.
    """

    allocated: int
    reserved: int
    least: int
    parts: Mapping[MemoryItem, int]
    notes: tuple[str, ...]
    seconds: float

    def apply(self, estimate: Estimate) -> Estimate:
        """The same estimate with the simulated memory; what was not simulated stays."""
        beside = estimate.breakdown["text_encoder"]
        overhead = estimate.overhead
        held_back = self.reserved - self.allocated
        device = self.allocated + beside + overhead.total(held_back)
        breakdown: dict[MemoryItem, int] = {
            **estimate.breakdown,
            **self.parts,
            "overhead": overhead.total(self.least - self.allocated),
        }
        needed = max(sum(breakdown.values()), estimate.peak_loading)
        return replace(
            estimate,
            breakdown=breakdown,
            peak_allocated=self.allocated + beside,
            cached=held_back,
            peak_device=device,
            gpus=tuple(row.with_memory(needed, device) for row in estimate.gpus),
            warnings=(*estimate.warnings, *self.notes),
            source="simulated",
        )
