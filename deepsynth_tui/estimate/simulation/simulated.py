"""What a simulation found, and an estimate that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepsynth_tui.estimate.closed_form import Estimate, Item


@dataclass(frozen=True, slots=True)
class Simulated:
    """Bytes of one step: `allocated` at its peak, and `parts` of that by what they belong to.

    `notes` say what differs from a GPU; `seconds` is how long the simulation itself took.
    """

    allocated: int
    parts: Mapping[Item, int]
    notes: tuple[str, ...]
    seconds: float

    def apply(self, estimate: Estimate) -> Estimate:
        """The same estimate with the simulated memory; what was not simulated stays."""
        beside = estimate.breakdown["text_encoder"]
        steady = sum(self.parts[item] for item in ("weights", "adapters", "optimizer"))
        beyond = self.allocated - steady
        breakdown: dict[Item, int] = {
            **estimate.breakdown,
            **self.parts,
            "overhead": estimate.overhead.needed(beyond),
        }
        needed = max(sum(breakdown.values()), estimate.peak_loading)
        return replace(
            estimate,
            breakdown=breakdown,
            peak_allocated=self.allocated + beside,
            peak_device=self.allocated + beside + estimate.peak_device - estimate.peak_allocated,
            gpus=tuple(row.needing(needed) for row in estimate.gpus),
            warnings=(*estimate.warnings, *self.notes),
            source="simulated",
        )
