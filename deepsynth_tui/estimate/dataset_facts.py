"""What is known of the rows that a run trains on, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.estimate.profiles.images import PageSize


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """Everything may be unknown. `page` is the largest page in pixels.

    `lengths` are tokens of the rows, image tokens included, ascending: of all of them, or
    quantiles evenly spaced from the shortest to the longest.
    """

    rows: int | None = None
    lengths: Sequence[int] = ()
    page: PageSize | None = None

    def longest(self, cap: int) -> int:
        """Tokens of the longest row; `cap` (``data.max_length``) while no length is known."""
        return min(self.lengths[-1], cap) if self.lengths else cap

    def padded(self, rows: int, cap: int) -> float:
        """Mean tokens that each row of a batch is padded to: the expected longest of `rows`.

        The chance that the i-th of n quantiles is the longest of k rows drawn at random is
        (i/n)^k - ((i-1)/n)^k. `cap` while no length is known.
        """
        if not self.lengths:
            return float(cap)
        count = len(self.lengths)
        expected = 0.0
        for i, length in enumerate(self.lengths, start=1):
            expected += min(length, cap) * ((i / count) ** rows - ((i - 1) / count) ** rows)
        return expected


UNKNOWN = DatasetFacts()
