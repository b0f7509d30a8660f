"""Ink on paper: lays the glyphs of a page over one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.atlas import PHASES, WORD_PIXELS, Atlas, packed
from deepsynth_tui.dataset.drawing.shaping import Placed, Shapes


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page of bare paper and ink, 4 bits a pixel, 0 full ink; rows as PNG has them.

    `rows` are the pen's own, until it draws the next page. `clipped_glyphs` is how many glyphs
    stuck out over the edge of the paper.
    """

    rows: NDArray[np.uint8]
    clipped_glyphs: int


class Pen:
    """Draws pages of `width` by `height` pixels."""

    def __init__(self, shapes: Shapes, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._row_words = -(-width // WORD_PIXELS)
        self._atlas = Atlas(shapes, self._row_words)
        self._paper = np.empty(height * self._row_words, np.uint64)

    def draw(self, glyphs: Placed, size: int) -> Drawn:
        """Draw `glyphs` at `size` pixels."""
        atlas = self._atlas
        atlas.make_room()
        paper = self._paper
        paper.fill(~np.uint64(0))
        quarters = np.rint(glyphs.x * PHASES).astype(np.int64)
        rows = np.rint(glyphs.y).astype(np.int64)
        entries = atlas.entries(glyphs.glyphs, quarters, size)
        columns = quarters // PHASES
        counts = atlas.count.values[entries]
        clipped = self._outside(entries, columns, rows)
        counts[clipped] = 0
        self._lay(paper, entries, counts, rows * self._row_words + columns // WORD_PIXELS)
        for one in clipped:
            phase = int(quarters[one]) % PHASES
            self._lay_part(
                paper, int(glyphs.glyphs[one]), phase, int(columns[one]), int(rows[one]), size
            )
        whole = paper.view(np.uint8).reshape(self._height, -1)
        return Drawn(whole[:, : -(-self._width // 2)], len(clipped))

    def _outside(
        self, entries: NDArray[np.int32], columns: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.intp]:
        """Return which of the glyphs with ink reach over the edge of the paper."""
        atlas = self._atlas
        near = (
            (columns < atlas.reach)
            | (columns > self._width - atlas.reach)
            | (rows < atlas.reach)
            | (rows > self._height - atlas.reach)
        )
        places = np.flatnonzero(near)
        at, column, row = entries[places], columns[places], rows[places]
        outside = (
            (column + atlas.left.values[at] < 0)
            | (column + atlas.right.values[at] > self._width)
            | (row + atlas.top.values[at] < 0)
            | (row + atlas.bottom.values[at] > self._height)
        ) & (atlas.count.values[at] > 0)
        return places[outside]

    def _lay(
        self,
        paper: NDArray[np.uint64],
        entries: NDArray[np.int32],
        counts: NDArray[np.int64],
        pens: NDArray[np.int64],
    ) -> None:
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        first = self._atlas.first.values[entries] - ends + counts
        words = np.arange(total) + np.repeat(first, counts)
        places = self._atlas.offsets.values[words] + np.repeat(pens, counts)
        # Two glyphs in one pixel: the bits of both, which is never less than the darker one.
        np.bitwise_and.at(paper, places, self._atlas.masks.values[words])

    def _lay_part(
        self, paper: NDArray[np.uint64], glyph: int, phase: int, column: int, row: int, size: int
    ) -> None:
        """Draw what of a glyph is on the paper."""
        drawn = self._atlas.bitmap(glyph, phase, size)
        if drawn is None:
            return
        ink, left, top = drawn
        left, top = left + column, top + row
        ink = ink[
            max(0, -top) : max(0, self._height - top), max(0, -left) : max(0, self._width - left)
        ]
        left, top = max(0, left), max(0, top)
        if ink.size:
            word, pixel = divmod(left, WORD_PIXELS)
            words = packed(ink, pixel)
            page = paper.reshape(self._height, -1)
            page[top : top + len(words), word : word + words.shape[1]] &= ~words
