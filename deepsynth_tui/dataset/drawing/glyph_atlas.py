"""Glyph bitmaps stored as 64-bit words of a page, ready to be ANDed into it.

A page is one string of pixels at 4 bits each, row after row, exactly as PNG compresses it: 16
pixels per 64-bit word. The pen's pixel within its word and its quarter pixel decide how a glyph
lies in the words around it, and each such variant of a glyph is made once. Drawing a page then
takes some twenty operations per glyph instead of one per pixel, and nothing has to be packed or
copied before compression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.font_face import GlyphBitmap
from deepsynth_tui.dataset.drawing.growable_array import GrowableArray
from deepsynth_tui.dataset.drawing.shape_cache import ShapeCache

# Pixels per word, and horizontal pen positions per pixel.
WORD_PIXELS = 16
SUBPIXELS = 4
VARIANTS = WORD_PIXELS * SUBPIXELS
# Full ink in 4 bits.
FULL_INK = 15
# Limit of the atlas in words of 16 bytes; beyond it the atlas is cleared. Allocated at once: memory
# is taken as it fills, and a block this large gets huge pages, which are faster to look up.
MAX_WORDS = 2_000_000


class GlyphAtlas:
    """Glyph variants for pages whose rows are `stride` pixels apart.

    An entry is one variant of a glyph at one size. `left`, `right`, `top` and `bottom` bound its
    ink relative to the pen, in pixels right and down, ends exclusive. Its words are
    `word_counts[entry]` from `first_word[entry]` on: `offsets` from the pen's word, and `masks` to
    AND into the page.
    """

    def __init__(self, shapes: ShapeCache, stride: int) -> None:
        self._shapes = shapes
        self._stride = stride
        self._clear()

    def _clear(self) -> None:
        # Size -> entry by glyph and variant, -1 if not made yet.
        self._tables: dict[int, NDArray[np.int32]] = {}
        self._bitmaps: dict[tuple[int, int, int], GlyphBitmap | None] = {}
        self.first_word = GrowableArray(np.int64)
        self.word_counts = GrowableArray(np.int64)
        self.left = GrowableArray(np.int32)
        self.right = GrowableArray(np.int32)
        self.top = GrowableArray(np.int32)
        self.bottom = GrowableArray(np.int32)
        # The largest distance of ink from its pen in any entry.
        self.max_extent = 0
        self.offsets = GrowableArray(np.int64, MAX_WORDS)
        self.masks = GrowableArray(np.uint64, MAX_WORDS)

    def clear_if_full(self) -> None:
        """Clear the atlas if it is full, which invalidates all entries."""
        if self.offsets.size > MAX_WORDS:
            self._clear()

    def entries(
        self, glyphs: NDArray[np.int32], pens: NDArray[np.int64], size: int
    ) -> NDArray[np.int32]:
        """Return the entries of `glyphs` with `pens` in quarter pixels, making the missing ones."""
        keys = glyphs * VARIANTS + (pens & VARIANTS - 1)
        table = self._table(size)
        entries = table.take(keys)
        if entries.min(initial=0) < 0:
            for key in np.unique(keys[entries < 0]).tolist():
                glyph, variant = divmod(key, VARIANTS)
                table[key] = self._add_entry(glyph, variant, size)
            entries = table.take(keys)
        return entries

    def bitmap(self, glyph: int, subpixel: int, size: int) -> GlyphBitmap | None:
        """Return the ink of `glyph`, 0 to `FULL_INK`; its `top` is downwards from the pen."""
        key = glyph, subpixel, size
        if key not in self._bitmaps:
            face, face_glyph = self._shapes.glyphs[glyph]
            bitmap = self._shapes.fonts.faces[face].bitmap(face_glyph, size, subpixel / SUBPIXELS)
            if bitmap is not None:
                # Rounded to 16 levels.
                levels = (bitmap.ink.astype(np.uint16) * FULL_INK + 127) // 255
                bitmap = GlyphBitmap(levels.astype(np.uint8), bitmap.left, -bitmap.top)
            self._bitmaps[key] = bitmap
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

    def _add_entry(self, glyph: int, variant: int, size: int) -> int:
        column, subpixel = divmod(variant, SUBPIXELS)
        bitmap = self.bitmap(glyph, subpixel, size)
        entry = self.first_word.size
        self.first_word.extend([self.offsets.size])
        if bitmap is None:
            for array in (self.word_counts, self.left, self.right, self.top, self.bottom):
                array.extend([0])
            return entry
        ink, left, top = bitmap
        rows, columns = ink.shape
        offsets, words = pack_words(ink, column + left + top * self._stride, self._stride)
        self.word_counts.extend([len(words)])
        self.max_extent = max(self.max_extent, -left, left + columns, -top, top + rows)
        self.left.extend([left])
        self.right.extend([left + columns])
        self.top.extend([top])
        self.bottom.extend([top + rows])
        self.offsets.extend(offsets)
        self.masks.extend(~words)
        return entry


def pack_words(
    ink: NDArray[np.uint8], first_pixel: int, stride: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the indices of the page words that contain `ink` (0 to `FULL_INK`), and their bits.

    The top left pixel of `ink` is pixel `first_pixel` of the page. As in PNG, the left of two
    pixels is the high half of a byte.
    """
    rows, columns = ink.shape
    words, shifts = np.divmod(first_pixel + stride * np.arange(rows)[:, None], WORD_PIXELS)
    width = -(-(WORD_PIXELS - 1 + columns) // WORD_PIXELS)
    padded = np.zeros((rows, width * WORD_PIXELS), np.uint8)
    np.put_along_axis(padded, shifts + np.arange(columns), ink, axis=1)
    bits = (padded[:, ::2] << 4 | padded[:, 1::2]).view("<u8")
    has_ink = bits != 0
    return (words + np.arange(width))[has_ink], bits[has_ink]
