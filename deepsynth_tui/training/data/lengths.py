"""Length of a row in tokens, counted without processing every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepsynth_tui.conversations.errors import RowError, errors_of_row
from deepsynth_tui.conversations.page_image import stored_size
from deepsynth_tui.estimate.row_statistics import RowStatistics, quantiles
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.models.page_resizing import bounded_size

if TYPE_CHECKING:
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator

PageSizes = tuple[tuple[int, int], ...]
"""(width, height) of each page of a row in pixels."""


@dataclass(frozen=True, slots=True)
class RowLength:
    """Tokens of a row and its tokens without image tokens; its pages as stored and as the model
    gets them."""

    tokens: int
    text_tokens: int
    stored_sizes: PageSizes
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
        """Count prompts, answers, image tokens and soft tokens of a row.

        Raises:
            RowError: the processor refuses its pages, or makes nothing of them.
        """
        collator = self.collator
        text_tokens = collator.count_text_tokens(chat)
        with errors_of_row(chat.row_id):
            stored_sizes: PageSizes = tuple(map(stored_size, chat.example.images))
        sizes = tuple(bounded_size(size, collator.config.model) for size in stored_sizes)
        pages = sizes, collator.image_surroundings(chat)
        if pages not in self._image_tokens:
            inputs = collator.encode([chat])
            if sizes and any(value.numel() == 0 for value in inputs.values()):
                shown = ", ".join(f"{width} x {height}" for width, height in sizes)
                raise RowError(
                    chat.row_id,
                    f"the model's processor makes no patches of its pages ({shown} pixels)",
                    "Make the pages larger, or remove the row.",
                )
            self._image_tokens[pages] = inputs["input_ids"].shape[1] - text_tokens
        tokens = text_tokens + self._image_tokens[pages]
        return RowLength(tokens, text_tokens, stored_sizes, sizes)


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
