"""Ink on paper: draws laid-out pages.

Every glyph is drawn once for each size and quarter-pixel position and then reused. It is drawn
four times too large and averaged down, without hinting in effect, so that letters keep the exact
distances that the layout gave them; Pillow alone would round each letter to whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deepsynth_tui.dataset.cleaning import is_invisible
from deepsynth_tui.dataset.drawing.layout import Page
from deepsynth_tui.dataset.drawing.page import THEMES, Sheet
from deepsynth_tui.dataset.drawing.typeface import Typeface, open_font

# Each pixel is the average of this many by this many, and glyphs stand at this many positions.
OVERSAMPLING = 4
# Glyphs kept at most, about 1 KiB each: plenty for an alphabet, a bound for Chinese at many sizes.
MOST_GLYPHS = 20_000

Ink = NDArray[np.uint8]
"""Height by width; 0 is bare paper, 255 is full ink."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """The ink of a character; `left` and `top` are its offset in pixels from the pen position."""

    ink: Ink
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page image in mode L, or RGB where the theme has a tint; how many lines are on it, and
    how many glyphs stuck out over the edge of the paper."""

    image: Image.Image
    lines: int
    clipped_glyphs: int


class Pen:
    """Draws with one font."""

    def __init__(self, typeface: Typeface) -> None:
        self._typeface = typeface
        self._fonts: dict[int, ImageFont.FreeTypeFont] = {}
        self._glyphs: dict[tuple[str, int, int], Glyph | None] = {}

    def draw(self, text: str, page: Page, sheet: Sheet, *, font_size: int, theme: str) -> Drawn:
        """Draw the lines of `page`, a part of `text` that was laid out at `font_size` pixels."""
        ink = np.zeros((sheet.height, sheet.width), np.uint8)
        lines = clipped = 0
        for number, column in enumerate(page.columns):
            left = sheet.column_left(number, font_size)
            first = sheet.margin + self._typeface.ascent * font_size
            for row, line in enumerate(column.lines):
                baseline = round(first + row * sheet.pitch(font_size))
                for span in line.spans:
                    x = left + span.x * font_size
                    clipped += self._write(ink, text[span.start : span.end], x, baseline, font_size)
                lines += bool(line.spans)
        return Drawn(_coloured(ink, theme), lines, clipped)

    def _write(self, paper: Ink, text: str, x: float, baseline: int, size: int) -> int:
        """Put `text` on `paper`; return how many of its glyphs do not fit."""
        clipped = 0
        height, width = paper.shape
        for character in text:
            place, phase = divmod(round(x * OVERSAMPLING), OVERSAMPLING)
            x += self._typeface.advance(character) * size
            glyph = self._glyph(character, size, phase)
            if glyph is None:
                continue
            rows, columns = glyph.ink.shape
            top, left = baseline + glyph.top, place + glyph.left
            up, back = max(0, -top), max(0, -left)
            target = paper[top + up : top + rows, left + back : left + columns]
            source = glyph.ink[up : up + target.shape[0], back : back + target.shape[1]]
            np.maximum(target, source, out=target)
            inside = top >= 0 and left >= 0 and top + rows <= height and left + columns <= width
            clipped += not inside
        return clipped

    def _glyph(self, character: str, size: int, phase: int) -> Glyph | None:
        key = character, size, phase
        if key not in self._glyphs:
            if len(self._glyphs) >= MOST_GLYPHS:
                self._glyphs.clear()
            self._glyphs[key] = self._raster(character, size, phase)
        return self._glyphs[key]

    def _raster(self, character: str, size: int, phase: int) -> Glyph | None:
        if is_invisible(character):
            return None
        if size not in self._fonts:
            self._fonts[size] = open_font(self._typeface.path, size * OVERSAMPLING)
        font = self._fonts[size]
        left, top, right, bottom = map(round, font.getbbox(character, anchor="ls"))
        columns, rows = right - left, bottom - top
        if not rows or not columns:
            return None
        large = Image.new("L", (columns, rows))
        ImageDraw.Draw(large).text((-left, -top), character, 255, font, anchor="ls")
        left += phase
        before, above = left % OVERSAMPLING, top % OVERSAMPLING
        after = -(before + columns) % OVERSAMPLING
        below = -(above + rows) % OVERSAMPLING
        padded = np.pad(np.asarray(large), ((above, below), (before, after)))
        blocks = padded.reshape(padded.shape[0] // OVERSAMPLING, OVERSAMPLING, -1, OVERSAMPLING)
        ink = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
        return Glyph(ink, left // OVERSAMPLING, top // OVERSAMPLING)


def _coloured(ink: Ink, theme: str) -> Image.Image:
    """Return `ink` in the colours of `theme`."""
    image = Image.fromarray(ink)
    full, bare = THEMES[theme]
    ramps = [
        [round(paper + (colour - paper) * level / 255) for level in range(256)]
        for colour, paper in zip(full, bare, strict=True)
    ]
    if ramps[0] == ramps[1] == ramps[2]:
        return image.point(ramps[0])
    return Image.merge("RGB", [image.point(ramp) for ramp in ramps])
