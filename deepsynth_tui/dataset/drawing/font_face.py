"""A font as the layout and the atlas see it. Lengths are multiples of the font size."""

from __future__ import annotations

import importlib
import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepsynth_tui.dataset.errors import FontError

# Compiled, and without types.
hb: Any = importlib.import_module("uharfbuzz")

Bitmap = NDArray[np.uint8]
"""Height by width of a glyph; 0 is bare paper, 255 is full ink."""


class Face:
    """One font of a file."""

    def __init__(self, path: Path) -> None:
        """Open the font at `path`, of a collection the first. Raises `FontError`."""
        self.path = path
        try:
            self.face = hb.Face(hb.Blob.from_file_path(path))
        except hb.HarfBuzzError as error:
            raise _unusable(path) from error
        self.covered = frozenset(self.face.unicodes)
        if not self.covered:
            raise _unusable(path)
        self.font = hb.Font(self.face)
        self._upem = self.face.upem
        extents = self.font.get_font_extents("ltr")
        self.ascent = extents.ascender / self._upem
        self.descent = -extents.descender / self._upem
        self._draw = hb.RasterDraw()
        self._strikes: dict[int, tuple[Image.Image, Any] | None] = {}

    @cached_property
    def name(self) -> str:
        """The name of the family and of the cut, as the font itself has them."""
        names = (
            self.face.get_name(hb.OTNameIdPredefined.FONT_FAMILY),
            self.face.get_name(hb.OTNameIdPredefined.FONT_SUBFAMILY),
        )
        return " ".join(part for part in names if part) or self.path.stem

    @cached_property
    def x_height(self) -> float:
        """The height of a small x; half the size where the font has no such letter."""
        glyph = self.font.get_nominal_glyph(ord("x"))
        extents = self.font.get_glyph_extents(glyph) if glyph else None
        return extents.y_bearing / self._upem if extents else 0.5

    def shape(
        self,
        text: str,
        *,
        leftward: bool,
        before: str = "",
        after: str = "",
        language: str | None = None,
    ) -> tuple[list[int], list[float], list[float], float]:
        """Return the glyphs of `text` from left to right, where each stands, and the width.

        `before` and `after` are what letters may join with; they are not drawn. `language` chooses
        among the forms of a character, where the font has several.
        """
        buffer = hb.Buffer()
        points = [*map(ord, before + text + after)]
        buffer.add_codepoints(points, len(before), len(text))
        buffer.guess_segment_properties()
        if language is not None:
            buffer.language = language
        buffer.direction = "rtl" if leftward else "ltr"
        hb.shape(self.font, buffer)
        glyphs, across, up, pen = [], [], [], 0
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            glyphs.append(info.codepoint)
            across.append((pen + position.x_offset) / self._upem)
            up.append(position.y_offset / self._upem)
            pen += position.x_advance
        return glyphs, across, up, pen / self._upem

    def bitmap(self, glyph: int, size: int, shift: float) -> tuple[Bitmap, int, int] | None:
        """Return the ink of `glyph` at `size` pixels, its left and its top; None without ink.

        Left is from the pen to the first column, top from the baseline up to the first row;
        `shift`, 0 to 1 pixel, is how far right of a whole pixel the pen stands.
        """
        scale = size / self._upem
        if self.face.has_color_png:
            return self._strike(glyph, scale, shift)
        self._draw.transform = (scale, 0, 0, scale, shift, 0)
        self._draw.draw_glyph(self.font, glyph)
        image = self._draw.render()
        extents = image.extents if image else None
        if image is None or extents is None or not extents.width or not extents.height:
            return None
        rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)
        # HarfBuzz has the lowest row first.
        ink = rows[::-1, : extents.width]
        return ink, extents.x_origin, extents.y_origin + extents.height

    def _strike(self, glyph: int, scale: float, shift: float) -> tuple[Bitmap, int, int] | None:
        """Return a glyph that the font has as a picture in colour, in gray."""
        if glyph not in self._strikes:
            png = self.font.get_glyph_color_png(glyph)
            extents = self.font.get_glyph_extents(glyph)
            self._strikes[glyph] = (
                (_gray(bytes(png.data)), extents) if extents is not None and png else None
            )
        strike = self._strikes[glyph]
        if strike is None:
            return None
        image, extents = strike
        width = max(1, round(abs(extents.width) * scale))
        height = max(1, round(abs(extents.height) * scale))
        ink = np.asarray(image.resize((width, height), Image.Resampling.BOX))
        return ink, round(extents.x_bearing * scale + shift), round(extents.y_bearing * scale)


def _gray(png: bytes) -> Image.Image:
    """Return a picture as ink: what it would be in black and white on white paper."""
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture).convert("L").point(lambda value: 255 - value)


def _unusable(path: Path) -> FontError:
    return FontError(
        f"{path} is no font that can be used",
        "Choose a scalable TrueType or OpenType font.",
        "page.font",
    )
