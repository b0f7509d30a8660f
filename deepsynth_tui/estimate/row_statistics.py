"""What is known of the rows that a run trains on, before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.models.image_tokens import PageSize, page_tokens
from deepsynth_tui.models.layout import ImageDimensions


@dataclass(frozen=True, slots=True)
class RowStatistics:
    """Everything may be unknown. `page` is the largest page in pixels, as it is stored.

    `rows` of the whole split, those held out too. `lengths` are tokens of the rows, image tokens
    included, ascending: of all of them, or quantiles evenly spaced from the shortest to the
    longest. `counted` of the rows were counted for that. `text` is the most tokens any row has
    without its images, `pages` the most images any row has. `note` says in a sentence what of
    this is not known, or not certain, and why.
    """

    rows: int | None = None
    lengths: Sequence[int] = ()
    page: PageSize | None = None
    counted: int = 0
    text: int | None = None
    pages: int | None = None
    note: str = ""

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

    def resized(
        self, image: ImageDimensions, *, before: ModelSettings, after: ModelSettings
    ) -> RowStatistics:
        """The most that the lengths can be once other bounds on pixels hold.

        No page changes by more tokens than the largest, so a row grows by at most that for each
        of its pages; once shrunk it has at most the longest text and the most and largest pages.
        True up to the rounding of page edges. The lengths stay as they are where the rule of the
        model's images, or what the rows are made of, is not known.
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
        """The facts as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RowStatistics:
        """Rebuild facts from `to_json`. Raises KeyError or TypeError on other data."""
        page = data["page"]
        return cls(
            **{
                **data,
                "lengths": tuple(data["lengths"]),
                "page": PageSize(**page) if page else None,
            }
        )


UNKNOWN_ROWS = RowStatistics()

# Quantiles that stand for the lengths of a large dataset: they place the longest of a batch to
# within a percent of the rows.
QUANTILE_COUNT = 257


def quantiles(ascending: Sequence[int], count: int = QUANTILE_COUNT) -> tuple[int, ...]:
    """`count` of the values, evenly spaced from the first to the last; all if there are fewer."""
    if len(ascending) <= count:
        return tuple(ascending)
    return tuple(ascending[i * (len(ascending) - 1) // (count - 1)] for i in range(count))
