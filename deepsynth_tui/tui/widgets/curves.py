"""Small curves of numbers in text: one line of blocks, or braille of any size. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deepsynth_tui.page_thumbnail import BLANK_CELL, CELL_HEIGHT, CELL_WIDTH, DOTS

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the values as a line of at most `width` blocks, scaled between their extremes."""
    columns = _resample(values, width)
    if not columns:
        return ""
    low, high = min(columns), max(columns)
    if not high > low:
        return BLOCKS[0] * len(columns)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round((value - low) / (high - low) * top)] for value in columns)


def braille_curve(
    values: Sequence[float],
    width: int,
    height: int,
    *,
    low: float | None = None,
    high: float | None = None,
) -> list[str]:
    """Return the values as `height` lines of `width` braille characters.

    The scale reaches from `low` to `high`, by default from the smallest to the largest value.
    Vertical lines join values that are far apart.
    """
    if width < 1 or height < 1:
        return []
    columns = _resample(values, width * CELL_WIDTH)
    cells = [[BLANK_CELL] * width for _ in range(height)]
    if columns:
        bottom, top = min(columns) if low is None else low, max(columns) if high is None else high
        scale = (height * CELL_HEIGHT - 1) / (top - bottom) if top > bottom else 0.0
        rows = [round((min(top, max(bottom, value)) - bottom) * scale) for value in columns]
        for x, row in enumerate(rows):
            before = rows[x - 1] if x else row
            start = row if abs(row - before) <= 1 else before + (1 if row > before else -1)
            for y in range(min(start, row), max(start, row) + 1):
                _set_dot(cells, x, height * CELL_HEIGHT - 1 - y)
    return ["".join(map(chr, line)) for line in cells]


def stretch(values: Sequence[float], count: int) -> Sequence[float]:
    """Return `count` values on the lines between these, or these if there are more or one."""
    if not 1 < len(values) < count:
        return values
    scale = (len(values) - 1) / (count - 1)
    places = (min(i * scale, len(values) - 1 - 1e-9) for i in range(count))
    return [
        values[int(place)] + (place % 1) * (values[int(place) + 1] - values[int(place)])
        for place in places
    ]


def bar(fraction: float, width: int) -> str:
    """Return a horizontal bar, in eighths of a character, padded to `width`."""
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


def _set_dot(cells: list[list[int]], x: int, y: int) -> None:
    bit = DOTS.index((x % CELL_WIDTH, y % CELL_HEIGHT))
    cells[y // CELL_HEIGHT][x // CELL_WIDTH] |= 1 << bit


def _resample(values: Sequence[float], count: int) -> list[float]:
    """Return at most `count` values: means of consecutive parts where there are more."""
    if count < 1:
        return []
    if len(values) <= count:
        return list(values)
    edges = [i * len(values) // count for i in range(count + 1)]
    parts = (values[start:end] for start, end in pairwise(edges))
    return [sum(part) / len(part) for part in parts]
