"""Whether to cache the features of a run's pages: what it costs, what it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepsynth_tui.estimate.page_features import MIN_PASSES, MIN_SAVING, TimeShares
from deepsynth_tui.units import format_bytes, format_percent


@dataclass(frozen=True, slots=True)
class DataSeconds:
    """Seconds of a CPU for a page: to prepare its `pixels`, or to read its `features`.

    Without `workers` they are added to the time of a step, else a step waits for what takes longer
    than the step itself.
    """

    pixels: float
    features: float
    workers: int

    def waiting(self, seconds: float, step: float) -> float:
        """Return the seconds per page that a step of `step` seconds per page waits."""
        return max(seconds / self.workers - step, 0.0) if self.workers else seconds


@dataclass(frozen=True, slots=True)
class PageUse:
    """The pages of a run.

    Attributes:
        pages: Distinct pages, by the content of their files.
        missing: Those without features yet.
        uses: How often a page is read in all epochs and evaluations together.
        page_bytes: Bytes of the features of a page.
        room: Bytes that features may still take on the disk.
        times: What features change by the estimate; None without an estimate.
        data: What they change for the CPUs that prepare batches.
    """

    pages: int
    missing: int
    uses: float
    page_bytes: int
    room: int
    times: TimeShares | None
    data: DataSeconds

    @property
    def passes(self) -> float:
        """How often each page is read."""
        return self.uses / max(self.pages, 1)

    def saving(self) -> float | None:
        """Return the share of the time of the run that features save; None without an estimate."""
        if self.times is None:
            return None
        encoded = self.missing / max(self.uses, 1)
        step = self.times.seconds
        if step is None:
            return self.times.saving(encoded)
        shorter = step * (1 - self.times.saved)
        before = step + self.data.waiting(self.data.pixels, step)
        after = shorter + self.data.waiting(self.data.features, shorter)
        encoding = step * self.times.encoding
        encoding += self.data.waiting(self.data.pixels, encoding)
        return 1 - (after + encoding * encoded) / before

    @property
    def missing_bytes(self) -> int:
        """Bytes of the features that are still to be computed."""
        return self.missing * self.page_bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether features are cached. `is_refused`: the setting asks for it and it is not possible."""

    caches: bool
    reason: str
    is_refused: bool = False


def decide(setting: Literal["auto", "on"], use: PageUse) -> Decision:
    """Decide by `training.cache_features`, the passes over a page, the disk and the estimate."""
    size = format_bytes(use.missing_bytes)
    if use.missing_bytes > use.room:
        reason = (
            f"the features of {use.missing} pages need {size} of disk, and "
            f"{format_bytes(max(use.room, 0))} may be used: half of what is free"
        )
        return Decision(False, reason, is_refused=setting == "on")
    costs = f"{use.missing} of {use.pages} pages are still to be encoded, for {size} of disk"
    often = f"each of {use.pages} pages is read {use.passes:.3g} times"
    if setting == "on":
        return Decision(True, f"{often}; {costs}")
    encoded = use.missing / max(use.uses, 1)
    if encoded * MIN_PASSES > 1:
        return Decision(False, f"{often}, which encodes hardly fewer pages")
    saved = use.saving()
    if saved is None:
        return Decision(True, f"{often}; {costs}")
    by_estimate = f"by the estimate that saves {format_percent(max(saved, 0))} of the time"
    if saved < MIN_SAVING:
        return Decision(False, f"{by_estimate}: {often}")
    return Decision(True, f"{by_estimate}: {often}; {costs}")
