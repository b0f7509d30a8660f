"""Length of each row in tokens, counted before training without processing every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.training.data.pages import page_size

if TYPE_CHECKING:
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

PageSizes = tuple[tuple[int, int], ...]
"""(width, height) of each page of a row in pixels, as the model gets it."""


@dataclass(frozen=True, slots=True)
class RowLength:
    """Tokens of a row, its tokens without image tokens, and its page sizes."""

    tokens: int
    text_tokens: int
    page_sizes: PageSizes


class TokenCounter:
    """Counts the tokens of rows.

    The number of image tokens depends only on the page sizes and on the characters beside an image,
    so the processor runs once per combination of them; of all other images only the header is read.
    """

    def __init__(self, collator: Collator) -> None:
        self.collator = collator
        self._image_tokens: dict[tuple[PageSizes, tuple[str, ...]], int] = {}

    def count(self, chat: RenderedChat) -> RowLength:
        """Count prompts, answers, image tokens and soft tokens of a row."""
        collator = self.collator
        text_tokens = collator.count_text_tokens(chat)
        sizes: PageSizes = tuple(
            page_size(stored, collator.config.model) for stored in chat.example.images
        )
        pages = sizes, collator.image_surroundings(chat)
        if pages not in self._image_tokens:
            tokens = collator.encode([chat])["input_ids"].shape[1]
            self._image_tokens[pages] = tokens - text_tokens
        return RowLength(text_tokens + self._image_tokens[pages], text_tokens, sizes)


@dataclass(frozen=True, slots=True)
class RowLengths:
    """The lengths of rows, in their order."""

    rows: Sequence[RowLength]

    @property
    def tokens(self) -> Sequence[int]:
        """Tokens of each row."""
        return [row.tokens for row in self.rows]

    def statistics(self, *, total_rows: int) -> RowStatistics:
        """Return the input of an estimate; `total_rows` is the size of the whole dataset split.

        The largest page has the size that the model gets.
        """
        pages = (PageSize(*size) for row in self.rows for size in row.page_sizes)
        return RowStatistics(
            rows=total_rows,
            lengths=quantiles(sorted(self.tokens)),
            page=max(pages, key=lambda page: page.width * page.height, default=None),
            counted=len(self.rows),
            text=max(row.text_tokens for row in self.rows),
            pages=max(len(row.page_sizes) for row in self.rows),
        )


def count_row_lengths(
    rows: Rows, collator: Collator, *, report: Callable[[int], bool]
) -> RowLengths | None:
    """Count the tokens of all rows.

    `report` gets the number of rows done and returns whether to continue. Returns None if it was
    stopped.

    Raises:
        TrainingError: a row cannot be used.
    """
    counter = TokenCounter(collator)
    lengths: list[RowLength] = []
    for position in range(len(rows)):
        lengths.append(counter.count(collator.render(rows[position])))
        if not report(position + 1):
            return None
    return RowLengths(lengths)
