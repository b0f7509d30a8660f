"""Ink on paper: lays the glyphs of a page over one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.glyph_atlas import PHASES, VARIANTS, WORD_PIXELS, Atlas, packed
from deepsynth_tui.dataset.drawing.shape_cache import Placed, Shapes

# The byte before each row, which PNG has for the name of the row's filter.
FILTER_PIXELS = 2
# From 4 MiB on NumPy asks the system for huge pages; only what is used of them is taken.
HUGE_PAGE_WORDS = (4 << 20) // 8


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page of bare paper and ink, 4 bits a pixel, 0 full ink.

    `rows` are bytes as PNG compresses them, each row beginning with a byte 0 for "no filter". They
    are the pen's own until it draws the next page. `clipped_glyphs` is how many glyphs stuck out
    over the edge of the paper.
    """

    rows: NDArray[np.uint8]
    clipped_glyphs: int


class Pen:
    """Draws pages of `width` by `height` pixels."""

    def __init__(self, shapes: Shapes, width: int, height: int) -> None:
        self._width = width
        self._height = height
        row_bytes = 1 + -(-width // 2)
        self._stride = 2 * row_bytes
        self._atlas = Atlas(shapes, self._stride)
        words = -(-height * self._stride // WORD_PIXELS)
        self._paper = np.empty(max(words, HUGE_PAGE_WORDS), np.uint64)[:words]
        self._rows = self._paper.view(np.uint8)[: height * row_bytes].reshape(height, row_bytes)

    def draw(self, glyphs: Placed, size: int) -> Drawn:
        """Draw `glyphs` at `size` pixels."""
        atlas = self._atlas
        atlas.make_room()
        self._paper.fill(~np.uint64(0))
        self._rows[:, 0] = 0
        quarters = np.rint(glyphs.x * PHASES).astype(np.int64)
        rows = np.rint(glyphs.y).astype(np.int64)
        pens = (rows * self._stride + FILTER_PIXELS) * PHASES + quarters
        entries = atlas.entries(glyphs.glyphs, pens, size)
        counts = atlas.count.values.take(entries)
        columns = quarters // PHASES
        clipped = self._outside(entries, columns, rows)
        counts[clipped] = 0
        self._lay(entries, counts, pens // VARIANTS)
        for one in clipped:
            phase = int(quarters[one]) % PHASES
            self._lay_part(int(glyphs.glyphs[one]), phase, int(columns[one]), int(rows[one]), size)
        return Drawn(self._rows, len(clipped))

    def _outside(
        self, entries: NDArray[np.int32], columns: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.intp]:
        """Return which of the glyphs with ink reach over the edge of the paper."""
        atlas = self._atlas
        if _are_inside(columns, atlas.reach, self._width) and _are_inside(
            rows, atlas.reach, self._height
        ):
            return np.empty(0, np.intp)
        at = entries
        outside = (
            (columns + atlas.left.values[at] < 0)
            | (columns + atlas.right.values[at] > self._width)
            | (rows + atlas.top.values[at] < 0)
            | (rows + atlas.bottom.values[at] > self._height)
        ) & (atlas.count.values[at] > 0)
        return np.flatnonzero(outside)

    def _lay(
        self, entries: NDArray[np.int32], counts: NDArray[np.int64], pens: NDArray[np.int64]
    ) -> None:
        """Lay `counts` words of the `entries` from the words on in which their `pens` stand."""
        ends = np.cumsum(counts)
        words = np.repeat(self._atlas.first.values.take(entries) - ends + counts, counts)
        words += np.arange(len(words))
        places = self._atlas.offsets.values.take(words)
        places += np.repeat(pens, counts)
        # Two glyphs in one pixel: the bits of both, which is never less than the darker one.
        np.bitwise_and.at(self._paper, places, self._atlas.masks.values.take(words))

    def _lay_part(self, glyph: int, phase: int, column: int, row: int, size: int) -> None:
        """Draw what of a glyph is on the paper."""
        drawn = self._atlas.bitmap(glyph, phase, size)
        if drawn is None:
            return
        ink, left, top = drawn
        left, top = left + column, top + row
        ink = ink[
            max(0, -top) : max(0, self._height - top), max(0, -left) : max(0, self._width - left)
        ]
        first = max(0, top) * self._stride + FILTER_PIXELS + max(0, left)
        places, words = packed(ink, first, self._stride)
        self._paper[places] &= ~words


def _are_inside(pens: NDArray[np.int64], reach: int, length: int) -> bool:
    """Return whether `pens` are farther than `reach` from both ends of `length` pixels."""
    return bool(pens.min(initial=reach) >= reach and pens.max(initial=reach) <= length - reach)
