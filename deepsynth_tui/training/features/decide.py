"""Whether to cache the features of a run's pages: what it costs, what it saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deepsynth_tui.estimate.page_features import MIN_PASSES, MIN_SAVING, saved_share
from deepsynth_tui.units import format_bytes, format_percent


@dataclass(frozen=True, slots=True)
class PageUse:
    """The pages of a run.

    Attributes:
        pages: Distinct pages, by the content of their files.
        missing: Those without features yet.
        uses: How often a page is read in all epochs and evaluations together.
        page_bytes: Bytes of the features of a page.
        room: Bytes that features may still take on the disk.
        tower_share: Share of the time of a step, 0 to 1, that the vision tower takes by the
            estimate; None without an estimate.
    """

    pages: int
    missing: int
    uses: float
    page_bytes: int
    room: int
    tower_share: float | None

    @property
    def passes(self) -> float:
        """How often each page is read."""
        return self.uses / max(self.pages, 1)

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
    if use.tower_share is None:
        return Decision(True, f"{often}; {costs}")
    saved = saved_share(use.tower_share, encoded)
    if saved < MIN_SAVING:
        return Decision(
            False, f"by the estimate that saves {format_percent(saved)} of the time: {often}"
        )
    return Decision(
        True, f"by the estimate that saves {format_percent(saved)} of the time: {often}; {costs}"
    )
