"""Greedy line wrapping: boxes to lines. Nothing is clipped or dropped; too wide words are split.

Break opportunities come from `line_breaking`. White space belongs to a line like everything else
and hangs over the edge at its end. Lengths are in em.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from deepsynth_tui.dataset.drawing.measured_text import MeasuredText, Paragraph

# Distance between tab stops, in spaces; a tab is never narrower than one space.
TAB_SPACES = 8
# Rounding error allowed in sums of widths.
TOLERANCE = 1e-6


class ColumnTooNarrow(Exception):
    """The character at `position` is wider than the column and would be clipped."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class BoxRun(NamedTuple):
    """Consecutive boxes `first` to `last` (exclusive), from `x` right of the line's start."""

    first: int
    last: int
    x: float


class Line(NamedTuple):
    """A line, which holds the characters from `start` to the next line.

    `ends_paragraph` is true for the last line of `paragraph`. A line without `runs` has no ink.
    """

    start: int
    runs: tuple[BoxRun, ...]
    paragraph: Paragraph
    ends_paragraph: bool


@dataclass(frozen=True, slots=True)
class WrappedText:
    """The lines of a text, and how many words were split because they are wider than a line."""

    lines: tuple[Line, ...]
    split_tokens: int


def wrap(text: MeasuredText, width: float) -> WrappedText:
    """Break `text` into lines no wider than `width`.

    A word wider than a line is split between grapheme clusters. Raises `ColumnTooNarrow` if a
    single cluster does not fit.
    """
    builder = _LineBuilder(text, width)
    for paragraph in text.paragraphs:
        builder.add_paragraph(paragraph)
    return WrappedText(tuple(builder.lines), builder.split_tokens)


class _LineBuilder:
    """Lines under construction; `x` is where the next box goes."""

    def __init__(self, text: MeasuredText, width: float) -> None:
        self.text = text
        # Lists: single elements are read faster than from an array.
        self.left = text.left.tolist()
        self.right = text.right.tolist()
        self.space_widths = text.space_widths.tolist()
        self.width = width
        self.lines: list[Line] = []
        self.split_tokens = 0
        self.start = 0
        self.x = 0.0
        self.runs: list[BoxRun] = []

    def add_paragraph(self, paragraph: Paragraph) -> None:
        """Add the lines of `paragraph`."""
        self.start, self.x = paragraph.start, 0.0
        tab_width = TAB_SPACES * self.text.space_width
        for tab_run in paragraph.tab_runs:
            for _ in range(tab_run.tabs):
                self.x = math.ceil((self.x + self.text.space_width) / tab_width) * tab_width
            self.x += tab_run.indent
            box = tab_run.first
            while box < tab_run.last:
                box = self._fill_line(box, tab_run.last, paragraph)
        self._close_line(paragraph, ends_paragraph=True)

    def _fill_line(self, box: int, last: int, paragraph: Paragraph) -> int:
        """Put the boxes from `box` that fit on the line; return the first that does not.

        If boxes remain, the line is closed and a new one begins.
        """
        end = self._first_overflowing(box, last)
        if end < last:
            while box < end and end in self.text.no_break_before:
                end -= 1
        if end == box and not self.runs:
            end = self._fit_wide_word(box)
        if end > box:
            self.runs.append(BoxRun(box, end, self.x))
            self.x += self.right[end - 1] - self.left[box] + self.space_widths[end - 1]
        if end < last:
            self._close_line(paragraph, ends_paragraph=False)
            self.start = int(self.text.starts[end])
        return end

    def _first_overflowing(self, box: int, last: int) -> int:
        """Return the first box from `box` on that extends past the end of the line."""
        limit = self.left[box] + self.width - self.x + TOLERANCE
        return bisect_right(self.right, limit, box, last)

    def _fit_wide_word(self, box: int) -> int:
        """Fit the word at `box`, which is too wide, on an empty line; return where it ends there.

        Reduces the indentation first, then splits the word.
        """
        text = self.text
        word_end = box + 1
        word_width = self.right[box] - self.left[box]
        while word_width <= self.width and word_end in text.no_break_before:
            word_width = self.right[word_end] - self.left[box]
            word_end += 1
        self.x = min(self.x, max(0.0, self.width - word_width))
        if word_width <= self.width + TOLERANCE:
            return word_end
        end = self._first_overflowing(box, word_end)
        if end == box:
            raise ColumnTooNarrow(int(text.starts[box]))
        self.split_tokens += box not in text.no_break_before
        return end

    def _close_line(self, paragraph: Paragraph, *, ends_paragraph: bool) -> None:
        self.lines.append(Line(self.start, tuple(self.runs), paragraph, ends_paragraph))
        self.x, self.runs = 0.0, []
