"""The page of a dataset, from its settings: size, ink, margins, and how much text goes on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from PIL import ImageColor

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.png import Colour
from deepsynth_tui.dataset.errors import PageError

# Pixels. Squares are the resolutions of DeepSeek-OCR; A4 (210 x 297 mm) is at 150 dots per inch.
PRESET_SIZES = {
    "tiny": (512, 512),
    "small": (640, 640),
    "base": (1024, 1024),
    "large": (1280, 1280),
    "a4": (1240, 1754),
}
# (ink, paper), each red, green, blue.
THEMES = {
    "light": ((0, 0, 0), (255, 255, 255)),
    "dark": ((236, 236, 236), (24, 24, 24)),
    "sepia": ((67, 50, 32), (244, 234, 213)),
}
# Between two columns, as a multiple of the font size.
GUTTER = 2.0
# Without a font size: the smallest letters are this tall (an x, in pixels: below it, OCR errors
# rise steeply).
SMALLEST_X_HEIGHT = 8
# A column narrower than this many times the font size holds no word.
NARROWEST_COLUMN = 4.0


@dataclass(frozen=True, slots=True)
class PageGeometry:
    """A page in pixels. `line_spacing` is a multiple of the font size."""

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
        gutters = (self.columns - 1) * GUTTER * font_size
        return (self.width - 2 * self.margin - gutters) / self.columns

    def column_left(self, index: int, font_size: int) -> float:
        """Return where column `index` begins, from the left of the page."""
        return self.margin + index * (self.column_width(font_size) + GUTTER * font_size)

    def pitch(self, font_size: int) -> float:
        """Return the distance between two baselines."""
        return font_size * self.line_spacing

    def lines_per_column(self, font_size: int, line_height: float) -> int:
        """Return how many lines of `line_height` font sizes fit one below the other, 0 if none."""
        room = self.height - 2 * self.margin - line_height * font_size
        return 0 if room < 0 else 1 + int(room / self.pitch(font_size))

    def check(self, font_size: int, line_height: float) -> None:
        """Raise `PageError` where no text of `font_size` would fit."""
        if (
            self.column_width(font_size) < NARROWEST_COLUMN * font_size
            or self.lines_per_column(font_size, line_height) < 1
        ):
            raise PageError(
                f"a page of {self.width} x {self.height} pixels with a margin of {self.margin} and "
                f"{self.columns} column(s) has no room for text of {font_size} pixels",
                "Use a larger page, a smaller margin, fewer columns or a smaller font.",
                "page.margin",
            )


def palette(page: PageSettings, bits: int) -> list[Colour] | None:
    """Return the colours from full ink to bare paper, None where they are plain black to white.

    Raises `PageError` where one of the settings is no colour.
    """
    ink, paper = THEMES[page.theme]
    ink = _colour(page.ink, ink, "page.ink")
    paper = _colour(page.paper, paper, "page.paper")
    if (ink, paper) == THEMES["light"]:
        return None
    most = 2**bits - 1
    return [
        tuple(
            round(dark + (light - dark) * step / most)
            for dark, light in zip(ink, paper, strict=True)
        )
        for step in range(most + 1)
    ]


def _colour(own: str | None, otherwise: Colour, key: str) -> Colour:
    if own is None:
        return otherwise
    try:
        return ImageColor.getrgb(own)[:3]
    except ValueError as error:
        raise PageError(
            f"{own!r} is no colour", "Give one as #rrggbb, or by its name in CSS.", key
        ) from error


def font_sizes(page: PageSettings, x_height: float) -> range:
    """Return the sizes in pixels that a document may be drawn at, from small to large.

    `x_height` is that of the font, as a multiple of its size.
    """
    if page.font_size is not None:
        return range(page.font_size, page.font_size + 1)
    smallest = math.ceil(SMALLEST_X_HEIGHT / x_height)
    return range(smallest, max(smallest, page.max_font_size) + 1)
