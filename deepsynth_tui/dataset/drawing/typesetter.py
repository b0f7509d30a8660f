"""Typeset texts in one font: measure once, lay out at the largest size that fits, draw pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.alignment import align_line
from deepsynth_tui.dataset.drawing.blitter import GlyphBlitter, PageBitmap
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.measured_text import MeasuredText, TextMeasurer
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry, font_sizes
from deepsynth_tui.dataset.drawing.pagination import PageLayout, paginate
from deepsynth_tui.dataset.drawing.shape_cache import PositionedGlyphs, ShapeCache
from deepsynth_tui.dataset.drawing.text_boxes import DrawnGlyphs
from deepsynth_tui.dataset.drawing.wrapping import TOLERANCE, ColumnTooNarrow, wrap
from deepsynth_tui.dataset.errors import PageError


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page, the number of characters on it and, if they were asked for, its glyphs."""

    bitmap: PageBitmap
    characters: int
    glyphs: DrawnGlyphs | None


@dataclass(frozen=True, slots=True)
class TextLayout:
    """A text laid out on pages at one font size."""

    text: MeasuredText
    font_size: int
    pages: tuple[PageLayout, ...]
    split_tokens: int

    @property
    def lines(self) -> int:
        """Number of lines with ink."""
        return sum(
            bool(line.runs) for page in self.pages for column in page.columns for line in column
        )


class Typesetter:
    """Typesets texts in `fonts`; `language` selects the regional forms of Han characters."""

    def __init__(
        self,
        fonts: FontStack,
        page: PageSettings,
        geometry: PageGeometry,
        language: str | None = None,
    ) -> None:
        """Raises `PageError` if no text fits on the page."""
        self._geometry = geometry
        self.fonts = fonts
        self._line_height = fonts.primary.ascent + fonts.primary.descent
        self._sizes = font_sizes(page, fonts.primary.x_height)
        geometry.check(self._sizes[0], self._line_height)
        self._shapes = ShapeCache(fonts, language)
        largest = self._sizes[-1]
        self._measurer = TextMeasurer(self._shapes, geometry.column_width(largest) / largest)
        self._blitter = GlyphBlitter(self._shapes, geometry.width, geometry.height)

    def lay_out(self, text: str) -> TextLayout:
        """Lay `text` out at the largest size at which it fits on one page, else at the smallest.

        Sizes at which the words alone exceed a page are skipped. Of the rest the largest is tried
        first and mostly fits; then a binary search, which assumes that a text that fits at one
        size fits at all smaller ones. Raises `ColumnTooNarrow`.
        """
        measured = self._measurer.measure(text)
        low, high = 1, len(self._sizes)
        widths = measured.paragraph_widths()
        while low < high and not self._may_fit(widths, self._sizes[high - 1]):
            high -= 1
        middle, best = high - 1, None
        while low < high:
            layout = self._one_page_layout(measured, self._sizes[middle])
            if layout is None:
                high = middle
            else:
                best, low = layout, middle + 1
            middle = (low + high) // 2
        return best or self._lay_out_at(measured, self._sizes[0])

    def draw(self, layout: TextLayout, page: PageLayout, *, with_glyphs: bool = False) -> DrawnPage:
        """Draw `page` of the most recent layout."""
        text, size = layout.text, layout.font_size
        firsts, lasts, x, baselines = self._positioned_runs(layout, page)
        counts = lasts - firsts
        ends = counts.cumsum()
        boxes = np.arange(ends[-1]) + (firsts - ends + counts).repeat(counts)
        glyphs: PositionedGlyphs = self._shapes.position_glyphs(
            text.shapes[boxes],
            (x - text.left[firsts] * size).repeat(counts) + text.left[boxes] * size,
            baselines.repeat(counts),
            size,
        )
        bitmap = self._blitter.draw(glyphs, size, with_extents=with_glyphs)
        drawn_glyphs = None
        if bitmap.extents is not None:
            counts = self._shapes.glyph_counts(text.shapes[boxes])
            drawn_glyphs = DrawnGlyphs(np.repeat(boxes, counts), bitmap.extents)
        return DrawnPage(bitmap, int(text.lengths[boxes].sum()), drawn_glyphs)

    def missing_glyphs(self, layout: TextLayout) -> Counter[str]:
        """Return how often each character that no font has a glyph for occurs."""
        return self._shapes.missing_glyphs(layout.text.shapes)

    def font_names(self, layout: TextLayout) -> tuple[str, ...]:
        """Return the names of the fonts used by the most recent layout."""
        faces = self._shapes.faces_of(layout.text.shapes)
        return tuple(sorted({self.fonts.faces[face].name for face in faces}))

    def _positioned_runs(
        self, layout: TextLayout, page: PageLayout
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the first and last box, the left and the baseline (pixels) of each run."""
        geometry, size = self._geometry, layout.font_size
        width = geometry.column_width(size) / size
        top = geometry.margin + self.fonts.primary.ascent * size
        pitch = geometry.line_pitch(size)
        rows = [
            (run.first, run.last, column_left + run.x * size, baseline)
            for index, column in enumerate(page.columns)
            for column_left in (geometry.column_left(index, size),)
            for row, line in enumerate(column)
            for baseline in (round(top + row * pitch),)
            for run in align_line(layout.text, line, width, geometry.align)
        ]
        firsts, lasts, x, baselines = zip(*rows, strict=True)
        return np.array(firsts), np.array(lasts), np.array(x), np.array(baselines, np.float64)

    def _may_fit(self, widths: NDArray[np.float64], size: int) -> bool:
        """Return whether paragraphs of these `widths` could fit on a page, however broken."""
        geometry = self._geometry
        lines = np.ceil(widths * (size / geometry.column_width(size)) - TOLERANCE)
        capacity = geometry.lines_per_column(size, self._line_height) * geometry.columns
        return np.maximum(lines, 1).sum() <= capacity

    def _one_page_layout(self, text: MeasuredText, size: int) -> TextLayout | None:
        """Return the layout at `size` if it is one page and splits no word unnecessarily."""
        try:
            self._geometry.check(size, self._line_height)
            layout = self._lay_out_at(text, size)
            if layout.split_tokens:
                smallest = self._lay_out_at(text, self._sizes[0])
                if layout.split_tokens > smallest.split_tokens:
                    return None
        except (PageError, ColumnTooNarrow):
            return None
        return layout if len(layout.pages) <= 1 else None

    def _lay_out_at(self, text: MeasuredText, size: int) -> TextLayout:
        wrapped = wrap(text, self._geometry.column_width(size) / size)
        pages = paginate(
            wrapped.lines,
            text.length,
            lines_per_column=self._geometry.lines_per_column(size, self._line_height),
            columns=self._geometry.columns,
        )
        return TextLayout(text, size, pages, wrapped.split_tokens)
