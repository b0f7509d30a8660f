"""Boxes to lines. Nothing is clipped or left out; what is too wide for a line is split.

White space leaves no ink but belongs to a line like everything else: at its end it hangs over the
edge. All lengths are multiples of the font size.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from deepsynth_tui.dataset.drawing.measured_text import Measured, Paragraph

# Distance of tab stops; a tab is never narrower than one space.
TAB_SPACES = 8
# Sums of floats: a line that is too wide by less than this is not too wide.
TOLERANCE = 1e-6


class ColumnTooNarrow(Exception):
    """The character at `place` is wider than the column: it could only be drawn clipped."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Segment(NamedTuple):
    """Boxes `first` to `last`, one after the other from `x` rightwards of the line's beginning."""

    first: int
    last: int
    x: float


class Line(NamedTuple):
    """A line, which holds the characters from `start` to the next line.

    `ends` is whether its paragraph ends with it; without segments it leaves no ink.
    """

    start: int
    segments: tuple[Segment, ...]
    paragraph: Paragraph
    ends: bool


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The lines of a text, and how many words had to be split to fit."""

    lines: tuple[Line, ...]
    split_tokens: int


def wrap(text: Measured, width: float) -> Wrapped:
    """Break `text` into lines no wider than `width`.

    A word that is wider than a whole line is split between characters. Raises `ColumnTooNarrow`
    where not even one character fits.
    """
    lines = _Lines(text, width)
    for paragraph in text.paragraphs:
        lines.fill(paragraph)
    return Wrapped(tuple(lines.done), lines.split)


class _Lines:
    """Lines under construction; `x` is where the next box goes."""

    def __init__(self, text: Measured, width: float) -> None:
        self.text = text
        # Lists: one of their numbers at a time comes faster than of an array.
        self.left = text.left.tolist()
        self.right = text.right.tolist()
        self.gaps = text.gaps.tolist()
        self.width = width
        self.done: list[Line] = []
        self.split = 0
        self.start = 0
        self.x = 0.0
        self.segments: list[Segment] = []

    def fill(self, paragraph: Paragraph) -> None:
        """Add the lines of `paragraph`."""
        self.start, self.x = paragraph.start, 0.0
        stop = TAB_SPACES * self.text.space
        for run in paragraph.runs:
            for _ in range(run.tabs):
                self.x = math.ceil((self.x + self.text.space) / stop) * stop
            self.x += run.indent
            box = run.first
            while box < run.last:
                box = self._place(box, run.last, paragraph)
        self._close(paragraph, ends=True)

    def _place(self, box: int, last: int, paragraph: Paragraph) -> int:
        """Put what fits of the boxes from `box` on the line; return the first that is left.

        Where one is left, the line is full, and another begun.
        """
        end = self._fitting(box, last)
        while box < end < last and end in self.text.glued:
            end -= 1
        if end == box and not self.segments:
            end = self._fit_word(box)
        if end > box:
            self.segments.append(Segment(box, end, self.x))
            self.x += self.right[end - 1] - self.left[box] + self.gaps[end - 1]
        if end < last:
            self._close(paragraph, ends=False)
            self.start = int(self.text.starts[end])
        return end

    def _fitting(self, box: int, last: int) -> int:
        """Return the first box from `box` on that reaches over the end of the line."""
        limit = self.left[box] + self.width - self.x + TOLERANCE
        return bisect_right(self.right, limit, box, last)

    def _fit_word(self, box: int) -> int:
        """Return how far the word at `box` goes on an empty line, where it did not fit.

        An indentation is given up as far as it is in the way.
        """
        text = self.text
        word_end = box + 1
        needed = self.right[box] - self.left[box]
        while needed <= self.width and word_end in text.glued:
            needed = self.right[word_end] - self.left[box]
            word_end += 1
        self.x = min(self.x, max(0.0, self.width - needed))
        if needed <= self.width + TOLERANCE:
            return word_end
        end = self._fitting(box, word_end)
        if end == box:
            raise ColumnTooNarrow(int(text.starts[box]))
        self.split += box not in text.glued
        return end

    def _close(self, paragraph: Paragraph, *, ends: bool) -> None:
        self.done.append(Line(self.start, tuple(self.segments), paragraph, ends))
        self.x, self.segments = 0.0, []
