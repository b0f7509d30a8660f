"""A text to inked pages in one font: measured once, laid out at the size that fits, drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.alignment import placed
from deepsynth_tui.dataset.drawing.blitter import Drawn, Pen
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.measured_text import Measured, Measurer
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry, font_sizes
from deepsynth_tui.dataset.drawing.pagination import Page, paginate
from deepsynth_tui.dataset.drawing.shape_cache import Placed, Shapes
from deepsynth_tui.dataset.drawing.wrapping import TOLERANCE, ColumnTooNarrow, wrap
from deepsynth_tui.dataset.errors import PageError


@dataclass(frozen=True, slots=True)
class Layout:
    """A text on pages at one size."""

    text: Measured
    size: int
    pages: tuple[Page, ...]
    split_tokens: int

    @property
    def lines(self) -> int:
        """How many lines have ink."""
        return sum(
            bool(line.segments) for p in self.pages for column in p.columns for line in column
        )


class Typesetter:
    """Sets texts in `fonts` on pages of `sheet`; `language` is that of their ideographs."""

    def __init__(
        self, fonts: FontStack, page: PageSettings, sheet: PageGeometry, language: str | None = None
    ) -> None:
        """Raises `PageError` where no text would fit."""
        self._sheet = sheet
        self.fonts = fonts
        first = self.fonts.first
        self._line_height = first.ascent + first.descent
        self._sizes = font_sizes(page, first.x_height)
        sheet.check(self._sizes[0], self._line_height)
        self._shapes = Shapes(fonts, language)
        largest = self._sizes[-1]
        self._measurer = Measurer(self._shapes, sheet.column_width(largest) / largest)
        self._pen = Pen(self._shapes, sheet.width, sheet.height)

    def lay_out(self, text: str) -> Layout:
        """Lay `text` out at the largest size at which it fits one page, else at the smallest.

        Sizes at which its words alone are too much for a page are not tried. Of the others the
        largest is, mostly with success, and the rest by halving, which supposes that what fits at
        one size fits at all smaller ones. Raises `ColumnTooNarrow`.
        """
        measured = self._measurer.measure(text)
        low, high = 1, len(self._sizes)
        widths = measured.paragraph_widths()
        while low < high and not self._may_fit(widths, self._sizes[high - 1]):
            high -= 1
        middle, best = high - 1, None
        while low < high:
            tried = self._try(measured, self._sizes[middle])
            if tried is None:
                high = middle
            else:
                best, low = tried, middle + 1
            middle = (low + high) // 2
        return best or self._at_size(measured, self._sizes[0])

    def draw(self, layout: Layout, page: Page) -> tuple[Drawn, int]:
        """Draw `page` of the text laid out last; return it and how many characters are on it."""
        text, size = layout.text, layout.size
        firsts, lasts, x, baselines = self._placed(layout, page)
        counts = lasts - firsts
        ends = np.cumsum(counts)
        boxes = np.arange(ends[-1]) + np.repeat(firsts - ends + counts, counts)
        glyphs: Placed = self._shapes.gather(
            text.shapes[boxes],
            np.repeat(x - text.left[firsts] * size, counts) + text.left[boxes] * size,
            np.repeat(baselines, counts),
            size,
        )
        return self._pen.draw(glyphs, size), int(text.lengths[boxes].sum())

    def missing(self, layout: Layout) -> Counter[str]:
        """Return the characters that no font has."""
        lacking = self._shapes.missing
        counts: Counter[str] = Counter()
        if lacking:
            for shape in layout.text.shapes.tolist():
                counts.update(lacking.get(shape, ""))
        return counts

    def fonts_of(self, layout: Layout) -> tuple[str, ...]:
        """Return the names of the fonts that draw the text laid out last."""
        faces = self._shapes.faces(layout.text.shapes)
        return tuple(sorted({self.fonts.faces[face].name for face in faces}))

    def _placed(
        self, layout: Layout, page: Page
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the first and last box of each segment, its left and its baseline in pixels."""
        sheet, size = self._sheet, layout.size
        width = sheet.column_width(size) / size
        top = sheet.margin + self.fonts.first.ascent * size
        rows = [
            (one.first, one.last, sheet.column_left(number, size) + one.x * size, baseline)
            for number, column in enumerate(page.columns)
            for row, line in enumerate(column)
            for baseline in (round(top + row * sheet.pitch(size)),)
            for one in placed(layout.text, line, width, sheet.align)
        ]
        firsts, lasts, x, baselines = zip(*rows, strict=True)
        return np.array(firsts), np.array(lasts), np.array(x), np.array(baselines, np.float64)

    def _may_fit(self, widths: NDArray[np.float64], size: int) -> bool:
        """Return whether paragraphs of these `widths`, however broken, are no more than a page."""
        sheet = self._sheet
        lines = np.ceil(widths * (size / sheet.column_width(size)) - TOLERANCE)
        capacity = sheet.lines_per_column(size, self._line_height) * sheet.columns
        return np.maximum(lines, 1).sum() <= capacity

    def _try(self, text: Measured, size: int) -> Layout | None:
        """Return the layout at `size` if it is one page and splits no word that need not be."""
        try:
            self._sheet.check(size, self._line_height)
            layout = self._at_size(text, size)
            if layout.split_tokens:
                smallest = self._at_size(text, self._sizes[0])
                if layout.split_tokens > smallest.split_tokens:
                    return None
        except (PageError, ColumnTooNarrow):
            return None
        return layout if len(layout.pages) <= 1 else None

    def _at_size(self, text: Measured, size: int) -> Layout:
        wrapped = wrap(text, self._sheet.column_width(size) / size)
        pages = paginate(
            wrapped.lines,
            text.length,
            lines_per_column=self._sheet.lines_per_column(size, self._line_height),
            columns=self._sheet.columns,
        )
        return Layout(text, size, pages, wrapped.split_tokens)
