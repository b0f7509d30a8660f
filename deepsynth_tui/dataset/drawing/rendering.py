"""From a text to its pages: the one door to layout and drawing.

A `Renderer` is made from the page settings alone, so each process can make its own. Another
renderer only has to offer `render` and `font_name` to take its place.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, replace

from PIL import Image

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.cleaning import visible_counts
from deepsynth_tui.dataset.drawing.font_files import find_font
from deepsynth_tui.dataset.drawing.layout import (
    ColumnTooNarrow,
    Measured,
    Page,
    measured,
    paginate,
    wrap,
)
from deepsynth_tui.dataset.drawing.page import Sheet, font_sizes, sheet
from deepsynth_tui.dataset.drawing.pen import Pen
from deepsynth_tui.dataset.drawing.typeface import Typeface, needs_shaping
from deepsynth_tui.dataset.errors import PageError

# PNG: on text, 4 is as small as the default 6 within 2 % and takes half the time.
COMPRESS_LEVEL = 4


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as drawn, and which characters of the text are on it."""

    image: Image.Image
    start: int
    end: int

    def png(self) -> bytes:
        """Return the image as a PNG file."""
        file = io.BytesIO()
        self.image.save(file, "PNG", compress_level=COMPRESS_LEVEL)
        return file.getvalue()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The pages of a text and what became of it.

    `missing` counts the characters drawn as the font's box for "no such glyph", `unshaped` those
    that should have been joined or written from right to left; `visible` is how many characters
    should have left ink. `lost_lines` is lines laid out less lines drawn.
    """

    pages: tuple[PageImage, ...]
    font_size: int
    visible: int
    missing: Counter[str]
    unshaped: int
    split_tokens: int
    clipped_glyphs: int
    lines: int
    lost_lines: int

    @property
    def unreadable_share(self) -> float:
        """The part of the visible characters that nobody could read off the pages, 0 to 1."""
        return (self.missing.total() + self.unshaped) / self.visible if self.visible else 0.0

    def without_images(self) -> Rendered:
        """Return the figures alone."""
        return replace(self, pages=())


@dataclass(frozen=True, slots=True)
class _Fit:
    size: int
    pages: tuple[Page, ...]
    split_tokens: int


class Renderer:
    """Draws texts on the pages that `page` describes."""

    def __init__(self, page: PageSettings) -> None:
        """Open the font. Raises `FontError`, and `PageError` where no text would fit."""
        self._theme = page.theme
        self._sheet: Sheet = sheet(page)
        self._typeface = Typeface(find_font(page.font))
        self._line_height = self._typeface.ascent + self._typeface.descent
        self._sizes = font_sizes(page, self._typeface.x_height)
        self._sheet.check(self._sizes[0], self._line_height)
        self._pen = Pen(self._typeface)

    @property
    def font_name(self) -> str:
        """The full name of the font."""
        return self._typeface.name

    def render(self, text: str) -> Rendered:
        """Draw all of `text`; a text without ink has no pages.

        Raises `PageError` where a single character is wider than a column.
        """
        try:
            fit = self._fit(measured(text, self._typeface.width))
        except ColumnTooNarrow as error:
            raise PageError(
                f"the character {error.character!r} is wider than a column",
                "Use a larger page, a smaller margin, fewer columns or a smaller font.",
                "page.margin",
            ) from error
        drawn = [
            self._pen.draw(text, page, self._sheet, font_size=fit.size, theme=self._theme)
            for page in fit.pages
        ]
        counts = visible_counts(text)
        missing = self._typeface.missing(counts)
        laid_out = sum(
            bool(line.spans)
            for page in fit.pages
            for column in page.columns
            for line in column.lines
        )
        lines = sum(page.lines for page in drawn)
        return Rendered(
            pages=tuple(
                PageImage(one.image, page.start, page.end)
                for one, page in zip(drawn, fit.pages, strict=True)
            ),
            font_size=fit.size,
            visible=counts.total(),
            missing=missing,
            unshaped=sum(
                number for c, number in counts.items() if c not in missing and needs_shaping(c)
            ),
            split_tokens=fit.split_tokens,
            clipped_glyphs=sum(page.clipped_glyphs for page in drawn),
            lines=lines,
            lost_lines=laid_out - lines,
        )

    def _fit(self, text: Measured) -> _Fit:
        """Lay `text` out at the largest size at which it fits one page, else at the smallest.

        The size is found by halving, which supposes that what fits at one size fits at all
        smaller ones.
        """
        best = self._lay_out(text, self._sizes[0])
        low, high = 1, len(self._sizes)
        while len(best.pages) <= 1 and low < high:
            middle = (low + high) // 2
            tried = self._try(text, self._sizes[middle], best.split_tokens)
            if tried is None:
                high = middle
            else:
                best, low = tried, middle + 1
        return best

    def _try(self, text: Measured, size: int, split_tokens: int) -> _Fit | None:
        """Return the layout at `size` if it is one page and splits no more than `split_tokens`."""
        try:
            self._sheet.check(size, self._line_height)
            fit = self._lay_out(text, size)
        except (PageError, ColumnTooNarrow):
            return None
        return fit if len(fit.pages) <= 1 and fit.split_tokens <= split_tokens else None

    def _lay_out(self, text: Measured, size: int) -> _Fit:
        wrapped = wrap(text, self._sheet.column_width(size) / size)
        pages = paginate(
            wrapped.lines,
            lines_per_column=self._sheet.lines_per_column(size, self._line_height),
            columns=self._sheet.columns,
        )
        return _Fit(size, pages, wrapped.split_tokens)
