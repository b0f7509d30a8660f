"""Lines, columns and pages: where each word of a text is drawn. Pure, and knows no font.

Nothing is ever clipped or left out. Lines, columns and pages each know the range of characters
they hold; the ranges follow on one another without a gap, from the first character of the text to
the last. White space leaves no ink but belongs to a range like everything else: at the end of a
line it hangs over the edge, and blank lines at the end of a column hang below it.

All lengths are in one unit of the caller's choice (here: the size of the font, so that one text
is measured once and laid out at any size).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deepsynth_tui.dataset.drawing.segmenting import Kind, Token, clusters, tokens

# Distance of tab stops; a tab is never narrower than one space.
TAB_SPACES = 8
# Sums of floats: a line that is too wide by less than this is not too wide.
TOLERANCE = 1e-6

Measure = Callable[[str], float]
"""The width of a piece of text."""


class ColumnTooNarrow(Exception):
    """A single character is wider than the column: it could only be drawn clipped."""

    def __init__(self, character: str) -> None:
        super().__init__(character)
        self.character = character


@dataclass(frozen=True, slots=True)
class Measured:
    """A text cut into tokens, with the width of each, and the width of a space."""

    text: str
    tokens: tuple[Token, ...]
    widths: tuple[float, ...]
    space: float
    measure: Measure


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end`, drawn from `x` rightwards of the column's left edge."""

    start: int
    end: int
    x: float


@dataclass(frozen=True, slots=True)
class Line:
    """Characters `start` to `end`: what is drawn of them, and the white space around it."""

    start: int
    end: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The lines of a text, and how many words had to be split to fit."""

    lines: tuple[Line, ...]
    split_tokens: int


@dataclass(frozen=True, slots=True)
class Column:
    """Characters `start` to `end`; `lines` from the top, one below the other."""

    start: int
    end: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Characters `start` to `end`; `columns` from the left."""

    start: int
    end: int
    columns: tuple[Column, ...]


def measured(text: str, measure: Measure) -> Measured:
    """Cut `text` into tokens and measure each of them once."""
    cut = tuple(tokens(text))
    widths = tuple(
        0.0 if token.kind in (Kind.TAB, Kind.LINE_END) else measure(text[token.start : token.end])
        for token in cut
    )
    return Measured(text, cut, widths, measure(" "), measure)


def wrap(text: Measured, width: float) -> Wrapped:
    """Break `text` into lines no wider than `width`.

    A word that is wider than a whole line is split between characters. Raises `ColumnTooNarrow`
    where not even one character fits.
    """
    lines = _Lines(width)
    split = 0
    for token, token_width in zip(text.tokens, text.widths, strict=True):
        match token.kind:
            case Kind.LINE_END:
                lines.close(token.end)
            case Kind.SPACE:
                lines.x += token_width
            case Kind.TAB:
                stop = TAB_SPACES * text.space
                lines.x = math.ceil((lines.x + text.space) / stop) * stop
            case Kind.WORD if token_width <= width + TOLERANCE:
                lines.place(token.start, token.end, token_width)
            case Kind.WORD:
                split += 1
                lines.start_afresh(token.start)
                for start, end in clusters(text.text, token.start, token.end):
                    lines.place_part(start, end, text.measure(text.text[start:end]), text.text)
    lines.finish(len(text.text))
    return Wrapped(tuple(lines.done), split)


class _Lines:
    """Lines under construction; `x` is where the next word goes."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.done: list[Line] = []
        self.start = 0
        self.x = 0.0
        self.spans: list[Span] = []

    def close(self, end: int) -> None:
        self.done.append(Line(self.start, end, tuple(self.spans)))
        self.start, self.x, self.spans = end, 0.0, []

    def finish(self, end: int) -> None:
        if self.start < end:
            self.close(end)

    def start_afresh(self, at: int) -> None:
        """Begin a line, or give up the indentation of one that has nothing else in it."""
        if self.spans:
            self.close(at)
        self.x = 0.0

    def place(self, start: int, end: int, width: float) -> None:
        if self.x + width > self.width + TOLERANCE:
            if self.spans:
                self.close(start)
            else:  # indented too far: as far as it goes
                self.x = max(0.0, self.width - width)
        self.spans.append(Span(start, end, self.x))
        self.x += width

    def place_part(self, start: int, end: int, width: float, text: str) -> None:
        if width > self.width + TOLERANCE:
            raise ColumnTooNarrow(text[start:end])
        if self.x + width > self.width + TOLERANCE:
            self.close(start)
        if self.spans and self.spans[-1].end == start:
            self.spans[-1] = Span(self.spans[-1].start, end, self.spans[-1].x)
        else:
            self.spans.append(Span(start, end, self.x))
        self.x += width


def paginate(lines: Iterable[Line], *, lines_per_column: int, columns: int) -> tuple[Page, ...]:
    """Fill columns and pages with `lines`. A text without ink has no pages."""
    filled = _columns(lines, lines_per_column)
    return tuple(
        Page(group[0].start, group[-1].end, tuple(group))
        for group in (filled[at : at + columns] for at in range(0, len(filled), columns))
    )


def _columns(lines: Iterable[Line], capacity: int) -> Sequence[Column]:
    columns: list[Column] = []
    start = end = 0
    held: list[Line] = []
    for line in lines:
        if len(held) == capacity and line.spans:
            if any(one.spans for one in held):
                columns.append(Column(start, end, tuple(held)))
                start = end
            held = []  # a column of blank lines alone is no column
        if len(held) < capacity:
            held.append(line)
        end = line.end
    if any(line.spans for line in held):
        columns.append(Column(start, end, tuple(held)))
    return columns
