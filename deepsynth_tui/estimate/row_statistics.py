"""Numbers and lengths of the rows that a run trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.image_tokens import PageSize, page_tokens
from deepsynth_tui.models.layout import ImageDimensions


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """Statistics of a dataset split. Every field may be unknown.

    `rows` is the size of the split, held-out rows included. `lengths` are the tokens of the rows in
    ascending order, image tokens included: of all rows, or evenly spaced quantiles from the
    shortest to the longest. `counted` is the number of rows that were counted for it. `page` is the
    largest stored page in pixels, `text` the most tokens of a row without its images, `pages` the
    most images of a row. `note` is a sentence that says which of these is unknown or uncertain, and
    why.
    """

    rows: int | None = None
    lengths: Sequence[int] = ()
    page: PageSize | None = None
    counted: int = 0
    text: int | None = None
    pages: int | None = None
    note: str = ""

    def longest(self, cap: int) -> int:
        """Tokens of the longest row, at most `cap` (``data.max_length``); `cap` without lengths."""
        return min(self.lengths[-1], cap) if self.lengths else cap

    def padded(self, rows: int, cap: int) -> float:
        """Expected length that a batch of `rows` rows is padded to: that of its longest row.

        The probability that the i-th of n quantiles is the longest of k random rows is
        (i/n)^k - ((i-1)/n)^k. For one row it is the mean length. `cap` without lengths.
        """
        if not self.lengths:
            return float(cap)
        count = len(self.lengths)
        expected = 0.0
        for i, length in enumerate(self.lengths, start=1):
            expected += min(length, cap) * ((i / count) ** rows - ((i - 1) / count) ** rows)
        return expected

    def resized(
        self, image: ImageDimensions, *, before: ModelSettings, after: ModelSettings
    ) -> RowStatistics:
        """Return upper bounds of the lengths after a change of the pixel limits.

        No page changes by more tokens than the largest one, so a row grows by at most that per
        page. If pages shrink, a row has at most the longest text and the most pages of the largest
        size. This holds up to the rounding of page edges. The lengths do not change if the model's
        image rule or one of the fields needed is unknown.
        """
        if not self.lengths or self.page is None or self.text is None or self.pages is None:
            return self
        old, new = (page_tokens(self.page, image, model) for model in (before, after))
        if old is None or new is None or old == new:
            return self
        grown = self.pages * max(new - old, 0)
        most = self.text + self.pages * new if new < old else self.lengths[-1] + grown
        return replace(self, lengths=tuple(min(length + grown, most) for length in self.lengths))

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RowStatistics:
        """Build statistics from `to_json`. Raises KeyError or TypeError on other data."""
        page = data["page"]
        return cls(
            **{
                **data,
                "lengths": tuple(data["lengths"]),
                "page": PageSize(**page) if page else None,
            }
        )


UNKNOWN_ROWS = RowStatistics()

# Quantiles that represent the lengths of a large dataset: enough to place the longest row of a
# batch to within a percent of the rows.
QUANTILE_COUNT = 257


def quantiles(ascending: Sequence[int], count: int = QUANTILE_COUNT) -> tuple[int, ...]:
    """Return `count` evenly spaced values, first and last included; all if there are fewer."""
    if len(ascending) <= count:
        return tuple(ascending)
    return tuple(ascending[i * (len(ascending) - 1) // (count - 1)] for i in range(count))
