"""Lines to columns and pages, which continue each other without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deepsynth_tui.dataset.drawing.wrapping import Line


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Characters `start` to `end` of a text; `columns` from left to right, lines from the top."""

    start: int
    end: int
    columns: tuple[tuple[Line, ...], ...]


def paginate(
    lines: Iterable[Line], length: int, *, lines_per_column: int, columns: int
) -> tuple[PageLayout, ...]:
    """Fill columns and pages with the `lines` of a text of `length` characters.

    Blank lines at the end of a full column are dropped. A text without ink has no pages.
    """
    filled = _fill_columns(lines, lines_per_column)
    groups = [filled[at : at + columns] for at in range(0, len(filled), columns)]
    # Blank columns dropped before the first page belong to it.
    starts = [0 if group is groups[0] else group[0][0].start for group in groups]
    ends = [*starts[1:], length][: len(starts)]
    return tuple(
        PageLayout(start, end, tuple(map(tuple, group)))
        for group, start, end in zip(groups, starts, ends, strict=True)
    )


def _fill_columns(lines: Iterable[Line], capacity: int) -> list[list[Line]]:
    columns: list[list[Line]] = []
    column: list[Line] = []
    has_ink = False
    for line in lines:
        if len(column) == capacity and line.runs:
            if has_ink:
                columns.append(column)
            column, has_ink = [], False  # a column of blank lines only is dropped
        if len(column) < capacity:
            column.append(line)
            has_ink = has_ink or bool(line.runs)
    if has_ink:
        columns.append(column)
    return columns
