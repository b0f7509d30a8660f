"""Page thumbnails in braille characters, which any terminal can show: 2 x 4 dots per cell.

Jobs, which have the pixels, make the lines with `braille_lines`; screens, which have only the
lines, fit them into a panel with `fit_thumbnail`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

BLANK_CELL = 0x2800
# (column, row) of each dot in its cell, by the bit above BLANK_CELL that sets it.
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
CELL_WIDTH, CELL_HEIGHT = 2, 4  # dots
# A dot is set if its area is this much darker (or lighter) than the paper, 0 to 1.
MIN_INK = 0.12


def braille_lines(page: Image.Image, columns: int) -> list[str]:
    """Return `page` as lines of `columns` braille characters, with a dot wherever there is ink."""
    import numpy as np
    from PIL import Image

    gray = page.convert("L")
    width = CELL_WIDTH * columns
    height = -(-round(gray.height * width / gray.width) // CELL_HEIGHT) * CELL_HEIGHT
    small = np.asarray(gray.resize((width, height), Image.Resampling.BOX), float) / 255
    # The median colour is the paper, light or dark.
    dots = np.abs(small - np.median(np.asarray(gray)) / 255) > MIN_INK
    cells = np.full((height // CELL_HEIGHT, columns), BLANK_CELL)
    for bit, (column, row) in enumerate(DOTS):
        cells |= dots[row::CELL_HEIGHT, column::CELL_WIDTH].astype(int) << bit
    return ["".join(map(chr, line)) for line in cells.tolist()]


def fit_thumbnail(lines: Sequence[str], columns: int) -> list[str]:
    """Crop the margins of braille `lines` and shrink them to at most `columns` characters.

    Shrinks by an integer factor; a dot is set if any of the dots it replaces was.
    """
    dots = set(_set_dots(lines))
    if not dots:
        return []
    left, top = (min(dot[axis] for dot in dots) for axis in (0, 1))
    right = max(x for x, _ in dots)
    factor = -(-(right - left + 1) // (CELL_WIDTH * max(1, columns)))
    return _lines_of_dots({((x - left) // factor, (y - top) // factor) for x, y in dots})


def _set_dots(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield (column, row) of every dot that is set."""
    for y, line in enumerate(lines):
        for x, character in enumerate(line):
            for bit, (column, row) in enumerate(DOTS):
                if (ord(character) - BLANK_CELL) >> bit & 1:
                    yield CELL_WIDTH * x + column, CELL_HEIGHT * y + row


def _lines_of_dots(dots: set[tuple[int, int]]) -> list[str]:
    columns, rows = (max(dot[axis] for dot in dots) + 1 for axis in (0, 1))
    cells = [[BLANK_CELL] * -(-columns // CELL_WIDTH) for _ in range(-(-rows // CELL_HEIGHT))]
    for x, y in dots:
        bit = DOTS.index((x % CELL_WIDTH, y % CELL_HEIGHT))
        cells[y // CELL_HEIGHT][x // CELL_WIDTH] |= 1 << bit
    return ["".join(map(chr, line)) for line in cells]
