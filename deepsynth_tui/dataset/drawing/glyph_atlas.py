"""Glyphs as words of a page's memory, ready to be laid over it.

A page is one string of pixels, row after row, 4 bits each, exactly as PNG will compress it: 16
pixels in a word of 64 bits. Where in a word the pen of a glyph stands, to a quarter of a pixel,
decides how the glyph lies in the words around: each such variant of a glyph is made once. Laying a
page together then takes some twenty operations a glyph instead of one for each pixel of ink, and
nothing has to be packed or copied before compression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.font_face import Bitmap
from deepsynth_tui.dataset.drawing.shape_cache import Growing, Shapes

# Pixels to a word, and positions of the pen to a pixel.
WORD_PIXELS = 16
PHASES = 4
VARIANTS = WORD_PIXELS * PHASES
# Full ink in 4 bits.
FULL = 15
# Words kept at most, 16 bytes each; then all glyphs are forgotten. Memory for them is asked for at
# once, and taken as it fills: in so large a piece it comes in huge pages, which are found faster.
MOST_WORDS = 2_000_000


class Atlas:
    """The variants of glyphs for pages whose rows are `stride` pixels from one another."""

    def __init__(self, shapes: Shapes, stride: int) -> None:
        self._shapes = shapes
        self._stride = stride
        self._forget()

    def _forget(self) -> None:
        # By size, then by glyph and variant: the number of an entry, -1 where it is not made yet.
        self._tables: dict[int, NDArray[np.int32]] = {}
        self._bitmaps: dict[tuple[int, int, int], tuple[Bitmap, int, int] | None] = {}
        self.first = Growing(np.int64)
        self.count = Growing(np.int64)
        # No ink of any glyph is farther from its pen than this.
        self.reach = 0
        # Of a glyph's ink, from the pen: the first column, the one after the last; the first row
        # and the one after the last, downwards.
        self.left = Growing(np.int32)
        self.right = Growing(np.int32)
        self.top = Growing(np.int32)
        self.bottom = Growing(np.int32)
        # Words from that of the pen, and what they leave of bare paper.
        self.offsets = Growing(np.int64, MOST_WORDS)
        self.masks = Growing(np.uint64, MOST_WORDS)

    def make_room(self) -> None:
        """Forget all glyphs where they have become many. Their numbers are void then."""
        if self.offsets.size > MOST_WORDS:
            self._forget()

    def entries(
        self, glyphs: NDArray[np.int32], quarters: NDArray[np.int64], size: int
    ) -> NDArray[np.int32]:
        """Return the entries of `glyphs`, whose pens stand at `quarters` of a pixel of the page."""
        wanted = glyphs * VARIANTS + (quarters & VARIANTS - 1)
        table = self._table(size)
        found = table.take(wanted)
        if found.min(initial=0) < 0:
            for key in np.unique(wanted[found < 0]).tolist():
                glyph, variant = divmod(key, VARIANTS)
                table[key] = self._make(glyph, variant, size)
            found = table.take(wanted)
        return found

    def bitmap(self, glyph: int, phase: int, size: int) -> tuple[Bitmap, int, int] | None:
        """Return the ink of `glyph`, 0 to `FULL`, its left and its top from the pen, downwards."""
        key = glyph, phase, size
        if key not in self._bitmaps:
            face, number = self._shapes.glyphs[glyph]
            drawn = self._shapes.fonts.faces[face].bitmap(number, size, phase / PHASES)
            if drawn is not None:
                ink, left, top = drawn
                # To the nearest of 16 levels.
                levels = (ink.astype(np.uint16) * FULL + 127) // 255
                drawn = levels.astype(np.uint8), left, -top
            self._bitmaps[key] = drawn
        return self._bitmaps[key]

    def _table(self, size: int) -> NDArray[np.int32]:
        needed = len(self._shapes.glyphs) * VARIANTS
        table = self._tables.get(size)
        if table is None or len(table) < needed:
            grown = np.full(max(needed, 2 * (0 if table is None else len(table))), -1, np.int32)
            if table is not None:
                grown[: len(table)] = table
            table = self._tables[size] = grown
        return table

    def _make(self, glyph: int, variant: int, size: int) -> int:
        column, phase = divmod(variant, PHASES)
        drawn = self.bitmap(glyph, phase, size)
        number = self.first.size
        self.first.extend([self.offsets.size])
        if drawn is None:
            for one in (self.count, self.left, self.right, self.top, self.bottom):
                one.extend([0])
            return number
        ink, left, top = drawn
        rows, columns = ink.shape
        places, words = packed(ink, column + left + top * self._stride, self._stride)
        self.count.extend([len(words)])
        self.reach = max(self.reach, -left, left + columns, -top, top + rows)
        self.left.extend([left])
        self.right.extend([left + columns])
        self.top.extend([top])
        self.bottom.extend([top + rows])
        self.offsets.extend(places)
        self.masks.extend(~words)
        return number


def packed(
    ink: NDArray[np.uint8], first: int, stride: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return which words have some of `ink`, 0 to `FULL`, and what they have of it.

    Its first pixel is the one with the number `first`, the one below it `stride` later. The left
    one of two pixels is the high half of a byte, as in PNG.
    """
    rows, columns = ink.shape
    words, shifts = np.divmod(first + stride * np.arange(rows)[:, None], WORD_PIXELS)
    width = -(-(WORD_PIXELS - 1 + columns) // WORD_PIXELS)
    padded = np.zeros((rows, width * WORD_PIXELS), np.uint8)
    np.put_along_axis(padded, shifts + np.arange(columns), ink, axis=1)
    whole = (padded[:, ::2] << 4 | padded[:, 1::2]).view("<u8")
    inked = whole != 0
    return (words + np.arange(width))[inked], whole[inked]
