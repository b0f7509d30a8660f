"""Pages in braille characters: a picture that any terminal shows, 2 x 4 dots in each cell.

Drawn by jobs, which have the pixels; a screen has the lines alone, and makes them smaller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

BLANK = 0x2800
# Dots of a character, (column, row) from its corner, by the bit above BLANK that sets each.
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
WIDE, HIGH = 2, 4  # dots
# Of a dot that much of the paper it stands for must be ink.
DOT_INK = 0.12


def braille_lines(page: Image.Image, columns: int) -> list[str]:
    """Return a page as lines of `columns` characters, a dot for where there is ink."""
    import numpy as np
    from PIL import Image

    gray = page.convert("L")
    width = WIDE * columns
    height = -(-round(gray.height * width / gray.width) // HIGH) * HIGH
    small = np.asarray(gray.resize((width, height), Image.Resampling.BOX), float) / 255
    # The colour of most of the page is its paper, light or dark.
    dots = np.abs(small - np.median(np.asarray(gray)) / 255) > DOT_INK
    cells = np.full((height // HIGH, columns), BLANK)
    for bit, (column, row) in enumerate(DOTS):
        cells |= dots[row::HIGH, column::WIDE].astype(int) << bit
    return ["".join(map(chr, line)) for line in cells.tolist()]


def fitted(lines: Sequence[str], columns: int) -> list[str]:
    """Return a drawn page without its margins, shrunk by a whole factor where it is wider than
    `columns`; a dot stays where any of those it stands for was set."""
    inked = set(_inked(lines))
    if not inked:
        return []
    left, top = (min(place[axis] for place in inked) for axis in (0, 1))
    right = max(x for x, _ in inked)
    factor = -(-(right - left + 1) // (WIDE * max(1, columns)))
    return _lines({((x - left) // factor, (y - top) // factor) for x, y in inked})


def _inked(lines: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Places of all dots that are set: (column, row) from the corner."""
    for y, line in enumerate(lines):
        for x, character in enumerate(line):
            for bit, (column, row) in enumerate(DOTS):
                if (ord(character) - BLANK) >> bit & 1:
                    yield WIDE * x + column, HIGH * y + row


def _lines(inked: set[tuple[int, int]]) -> list[str]:
    columns, rows = (max(place[axis] for place in inked) + 1 for axis in (0, 1))
    cells = [[BLANK] * -(-columns // WIDE) for _ in range(-(-rows // HIGH))]
    for x, y in inked:
        cells[y // HIGH][x // WIDE] |= 1 << DOTS.index((x % WIDE, y % HIGH))
    return ["".join(map(chr, line)) for line in cells]
