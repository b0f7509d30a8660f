"""Lines to columns and pages, which follow on one another without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deepsynth_tui.dataset.drawing.wrapping import Line


@dataclass(frozen=True, slots=True)
class Page:
    """Characters `start` to `end`; `columns` from the left, the lines of each from the top."""

    start: int
    end: int
    columns: tuple[tuple[Line, ...], ...]


def paginate(
    lines: Iterable[Line], length: int, *, lines_per_column: int, columns: int
) -> tuple[Page, ...]:
    """Fill columns and pages with the `lines` of a text of `length` characters.

    Blank lines at the end of a column hang below it. A text without ink has no pages.
    """
    filled = _columns(lines, lines_per_column)
    groups = [filled[at : at + columns] for at in range(0, len(filled), columns)]
    # Blank columns left out before the first page belong to it.
    starts = [0 if group is groups[0] else group[0][0].start for group in groups]
    ends = [*starts[1:], length][: len(starts)]
    return tuple(
        Page(start, end, tuple(map(tuple, group)))
        for group, start, end in zip(groups, starts, ends, strict=True)
    )


def _columns(lines: Iterable[Line], capacity: int) -> list[list[Line]]:
    columns: list[list[Line]] = []
    held: list[Line] = []
    inked = False
    for line in lines:
        if len(held) == capacity and line.segments:
            if inked:
                columns.append(held)
            held, inked = [], False  # a column of blank lines alone is no column
        if len(held) < capacity:
            held.append(line)
            inked = inked or bool(line.segments)
    if inked:
        columns.append(held)
    return columns
