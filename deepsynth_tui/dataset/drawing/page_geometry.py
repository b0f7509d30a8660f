"""The size of a page, its margins and columns, and how much text fits on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.errors import PageError

# Pixels. Squares are the resolutions of DeepSeek-OCR; A4 (210 x 297 mm) is at 150 dpi.
PRESET_SIZES = {
    "tiny": (512, 512),
    "small": (640, 640),
    "base": (1024, 1024),
    "large": (1280, 1280),
    "a4": (1240, 1754),
}
# Space between two columns, in em.
COLUMN_GAP = 2.0
# Smallest x-height of automatic font sizes, in pixels: below it, OCR errors rise steeply.
MIN_X_HEIGHT = 8
# Narrowest column that holds a word, in em.
MIN_COLUMN_WIDTH = 4.0


@dataclass(frozen=True, slots=True)
class PageGeometry:
    """A page in pixels. `line_spacing` is in em."""

    width: int
    height: int
    margin: int
    columns: int
    line_spacing: float
    align: str

    @classmethod
    def from_settings(cls, page: PageSettings) -> Self:
        """Return the page that `page` describes. Its `width` and `height` override the preset."""
        width, height = PRESET_SIZES[page.preset]
        return cls(
            width=page.width or width,
            height=page.height or height,
            margin=page.margin,
            columns=page.columns,
            line_spacing=page.line_spacing,
            align=page.align,
        )

    def column_width(self, font_size: int) -> float:
        """Return the width of one column."""
        gaps = (self.columns - 1) * COLUMN_GAP * font_size
        return (self.width - 2 * self.margin - gaps) / self.columns

    def column_left(self, index: int, font_size: int) -> float:
        """Return the left edge of column `index`."""
        return self.margin + index * (self.column_width(font_size) + COLUMN_GAP * font_size)

    def line_pitch(self, font_size: int) -> float:
        """Return the distance between two baselines."""
        return font_size * self.line_spacing

    def lines_per_column(self, font_size: int, line_height: float) -> int:
        """Return how many lines of `line_height` em fit in a column, possibly 0."""
        free_height = self.height - 2 * self.margin - line_height * font_size
        return 0 if free_height < 0 else 1 + int(free_height / self.line_pitch(font_size))

    def check(self, font_size: int, line_height: float) -> None:
        """Raise `PageError` if no text of `font_size` fits."""
        if (
            self.column_width(font_size) < MIN_COLUMN_WIDTH * font_size
            or self.lines_per_column(font_size, line_height) < 1
        ):
            raise PageError(
                f"a page of {self.width} x {self.height} pixels with a margin of {self.margin} and "
                f"{self.columns} column(s) has no room for text of {font_size} pixels",
                "Use a larger page, a smaller margin, fewer columns or a smaller font.",
                "page.margin",
            )


def font_sizes(page: PageSettings, x_height: float) -> range:
    """Return the font sizes in pixels that a document may be drawn at, smallest first.

    `x_height` is that of the font, in em.
    """
    if page.font_size is not None:
        return range(page.font_size, page.font_size + 1)
    smallest = math.ceil(MIN_X_HEIGHT / x_height)
    return range(smallest, max(smallest, page.max_font_size) + 1)
