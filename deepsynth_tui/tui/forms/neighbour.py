"""Which field is above or below another one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Place = tuple[int, int]
"""Column and line."""


def neighbour(places: Sequence[Place], current: Place, direction: int) -> int | None:
    """Return the index of the place on the nearest line above (-1) or below (1) `current`.

    On that line, the one with the nearest column. None if there is no such line.
    """
    x, y = current
    beyond = [
        (abs(line - y), abs(column - x), index)
        for index, (column, line) in enumerate(places)
        if (line > y if direction > 0 else line < y)
    ]
    return min(beyond)[2] if beyond else None
