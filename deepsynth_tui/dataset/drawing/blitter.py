"""Draws the glyphs of a page into its bitmap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.glyph_atlas import (
    SUBPIXELS,
    VARIANTS,
    WORD_PIXELS,
    GlyphAtlas,
    pack_words,
)
from deepsynth_tui.dataset.drawing.shape_cache import PositionedGlyphs, ShapeCache

# The filter byte that starts each PNG row, in pixels of 4 bits.
FILTER_PIXELS = 2
# NumPy asks for huge pages from 4 MiB on; only the part in use takes memory.
HUGE_PAGE_WORDS = (4 << 20) // 8


@dataclass(frozen=True, slots=True)
class GlyphExtents:
    """The part of the page that the ink of each glyph lies in, in pixels, ends exclusive.

    For a glyph without ink `left` and `top` are beyond `right` and `bottom`.
    """

    left: NDArray[np.int64]
    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PageBitmap:
    """A page at 4 bits per pixel, 0 full ink.

    `rows` are PNG scanlines, each starting with filter byte 0. They are the blitter's buffer,
    which the next page overwrites. `clipped_glyphs` counts glyphs that extend past the page edge.
    `extents` are those of its glyphs, if they were asked for.
    """

    rows: NDArray[np.uint8]
    clipped_glyphs: int
    extents: GlyphExtents | None = None


class GlyphBlitter:
    """Draws pages of `width` by `height` pixels."""

    def __init__(self, shapes: ShapeCache, width: int, height: int) -> None:
        self._width = width
        self._height = height
        row_bytes = 1 + -(-width // 2)
        self._stride = 2 * row_bytes
        self._atlas = GlyphAtlas(shapes, self._stride)
        words = -(-height * self._stride // WORD_PIXELS)
        self._page = np.empty(max(words, HUGE_PAGE_WORDS), np.uint64)[:words]
        self._rows = self._page.view(np.uint8)[: height * row_bytes].reshape(height, row_bytes)

    def draw(
        self, glyphs: PositionedGlyphs, size: int, *, with_extents: bool = False
    ) -> PageBitmap:
        """Draw `glyphs` at `size` pixels per em on a blank page."""
        atlas = self._atlas
        atlas.clear_if_full()
        self._page.fill(~np.uint64(0))
        self._rows[:, 0] = 0
        x_subpixels = np.rint(glyphs.x * SUBPIXELS).astype(np.int64)
        rows = np.rint(glyphs.y).astype(np.int64)
        pens = (rows * self._stride + FILTER_PIXELS) * SUBPIXELS + x_subpixels
        entries = atlas.entries(glyphs.glyphs, pens, size)
        counts = atlas.word_counts.values.take(entries)
        columns = x_subpixels // SUBPIXELS
        clipped = self._clipped(entries, columns, rows)
        extents = None
        if with_extents:
            extents = self._extents(entries, columns, rows, clipped=len(clipped) > 0)
        counts[clipped] = 0
        self._blit(entries, counts, pens // VARIANTS)
        for index in clipped:
            subpixel = int(x_subpixels[index]) % SUBPIXELS
            glyph, column, row = glyphs.glyphs[index], columns[index], rows[index]
            self._blit_clipped(int(glyph), subpixel, int(column), int(row), size)
        return PageBitmap(self._rows, len(clipped), extents)

    def _extents(
        self,
        entries: NDArray[np.int32],
        columns: NDArray[np.int64],
        rows: NDArray[np.int64],
        *,
        clipped: bool,
    ) -> GlyphExtents:
        atlas = self._atlas
        has_ink = atlas.word_counts.values.take(entries) > 0
        left = np.where(has_ink, columns + atlas.left.values.take(entries), self._width)
        top = np.where(has_ink, rows + atlas.top.values.take(entries), self._height)
        right = np.where(has_ink, columns + atlas.right.values.take(entries), 0)
        bottom = np.where(has_ink, rows + atlas.bottom.values.take(entries), 0)
        if clipped:
            left, right = left.clip(0, self._width), right.clip(0, self._width)
            top, bottom = top.clip(0, self._height), bottom.clip(0, self._height)
        return GlyphExtents(left, top, right, bottom)

    def _clipped(
        self, entries: NDArray[np.int32], columns: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.intp]:
        """Return the indices of glyphs whose ink extends past the page edge."""
        atlas = self._atlas
        if _all_inside(columns, atlas.max_extent, self._width) and _all_inside(
            rows, atlas.max_extent, self._height
        ):
            return np.empty(0, np.intp)
        outside = (
            (columns + atlas.left.values[entries] < 0)
            | (columns + atlas.right.values[entries] > self._width)
            | (rows + atlas.top.values[entries] < 0)
            | (rows + atlas.bottom.values[entries] > self._height)
        ) & (atlas.word_counts.values[entries] > 0)
        return np.flatnonzero(outside)

    def _blit(
        self, entries: NDArray[np.int32], counts: NDArray[np.int64], pen_words: NDArray[np.int64]
    ) -> None:
        """Draw the first `counts` words of each of `entries` at `pen_words` of the page."""
        ends = counts.cumsum()
        words = (self._atlas.first_word.values.take(entries) - ends + counts).repeat(counts)
        words += np.arange(len(words))
        targets = self._atlas.offsets.values.take(words)
        targets += pen_words.repeat(counts)
        # Where two glyphs overlap, AND is at least as dark as the darker of them.
        np.bitwise_and.at(self._page, targets, self._atlas.masks.values.take(words))

    def _blit_clipped(self, glyph: int, subpixel: int, column: int, row: int, size: int) -> None:
        """Draw the part of a glyph that is on the page."""
        bitmap = self._atlas.bitmap(glyph, subpixel, size)
        if bitmap is None:
            return
        left, top = bitmap.left + column, bitmap.top + row
        ink = bitmap.ink[
            max(0, -top) : max(0, self._height - top), max(0, -left) : max(0, self._width - left)
        ]
        first_pixel = max(0, top) * self._stride + FILTER_PIXELS + max(0, left)
        targets, words = pack_words(ink, first_pixel, self._stride)
        self._page[targets] &= ~words


def _all_inside(pens: NDArray[np.int64], extent: int, length: int) -> bool:
    """Return whether all `pens` are at least `extent` away from both ends of `length` pixels."""
    return bool(pens.min(initial=extent) >= extent and pens.max(initial=extent) <= length - extent)
