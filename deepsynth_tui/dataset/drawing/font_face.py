"""A font face: shaping with HarfBuzz and glyph bitmaps.

Lengths are in em (multiples of the font size).
"""

from __future__ import annotations

import importlib
import io
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepsynth_tui.dataset.clean_text import is_invisible
from deepsynth_tui.dataset.errors import FontError

# A compiled module without type stubs.
hb: Any = importlib.import_module("uharfbuzz")

# The weight of upright text; some variable fonts, such as Noto Sans CJK, are thin by default.
REGULAR_WEIGHT = 400
# General category of marks that enclose the character before them, such as a keycap.
ENCLOSING_MARK = "Me"


class GlyphRun(NamedTuple):
    """Shaped glyphs from left to right, the pen position of each in em, and the total advance."""

    glyphs: list[int]
    x: list[float]
    y: list[float]
    advance: float


class GlyphBitmap(NamedTuple):
    """A rasterized glyph: `ink` is height by width, 0 paper to 255 full ink.

    `left` is from the pen to the first column, `top` from the baseline up to the first row, both
    in pixels, as `bitmap_left` and `bitmap_top` in FreeType.
    """

    ink: NDArray[np.uint8]
    left: int
    top: int


class Face:
    """One face of a font file."""

    def __init__(self, path: Path) -> None:
        """Open the font at `path`, or the first face of a collection. Raises `FontError`."""
        self.path = path
        try:
            self._hb_face = hb.Face(hb.Blob.from_file_path(path))
        except hb.HarfBuzzError as error:
            raise _unusable_font(path) from error
        self.codepoints = frozenset(self._hb_face.unicodes)
        if not self.codepoints:
            raise _unusable_font(path)
        self._hb_font = hb.Font(self._hb_face)
        if self._hb_face.has_var_data:
            self._hb_font.set_variations({"wght": REGULAR_WEIGHT})
        self._upem = self._hb_face.upem
        extents = self._hb_font.get_font_extents("ltr")
        self.ascent = extents.ascender / self._upem
        self.descent = -extents.descender / self._upem
        self._raster = hb.RasterDraw()
        self._strikes: dict[int, tuple[Image.Image, Any] | None] = {}

    @cached_property
    def name(self) -> str:
        """Family and style name from the font's name table."""
        names = (
            self._hb_face.get_name(hb.OTNameIdPredefined.FONT_FAMILY),
            self._hb_face.get_name(hb.OTNameIdPredefined.FONT_SUBFAMILY),
        )
        return " ".join(part for part in names if part) or self.path.stem

    @cached_property
    def x_height(self) -> float:
        """Height of a lowercase x; 0.5 if the font has none."""
        glyph = self._hb_font.get_nominal_glyph(ord("x"))
        extents = self._hb_font.get_glyph_extents(glyph) if glyph else None
        return extents.y_bearing / self._upem if extents else 0.5

    @cached_property
    def is_emoji(self) -> bool:
        """Whether this is a font for emoji: one with colour bitmaps, or called so."""
        return bool(self._hb_face.has_color_png) or "Emoji" in self.name

    def lacks(self, cluster: str) -> str:
        """Return the visible characters of `cluster` that this face cannot draw.

        Invisible characters need no glyph. A mark that ought to enclose the character before it is
        lacking too if it would be drawn across it.
        """
        characters = [character for character in cluster if not is_invisible(character)]
        missing = [
            character for character in characters if ord(character) not in self.codepoints
        ] or [
            character
            for character in characters
            if unicodedata.category(character) == ENCLOSING_MARK and not self._encloses(cluster)
        ]
        return "".join(missing)

    def _encloses(self, cluster: str) -> bool:
        """Return whether one glyph of `cluster` spans all its ink from left to right."""
        run = self.shape(cluster, rtl=False)
        boxes = []
        for glyph, x in zip(run.glyphs, run.x, strict=True):
            extents = self._hb_font.get_glyph_extents(glyph)
            if extents is not None and extents.width:
                left = x * self._upem + extents.x_bearing
                boxes.append((left, left + extents.width))
        span = min((box[0] for box in boxes), default=0), max((box[1] for box in boxes), default=0)
        return span in boxes

    def shape(
        self,
        text: str,
        *,
        rtl: bool,
        pre_context: str = "",
        post_context: str = "",
        language: str | None = None,
    ) -> GlyphRun:
        """Shape `text` in one direction.

        `pre_context` and `post_context` are neighbouring characters that letters may join with;
        they are not drawn. `language` (BCP 47) selects among a font's localized forms.
        """
        buffer = hb.Buffer()
        codepoints = [*map(ord, pre_context + text + post_context)]
        buffer.add_codepoints(codepoints, len(pre_context), len(text))
        buffer.guess_segment_properties()
        if language is not None:
            buffer.language = language
        buffer.direction = "rtl" if rtl else "ltr"
        hb.shape(self._hb_font, buffer)
        glyphs, x, y, pen = [], [], [], 0
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            glyphs.append(info.codepoint)
            x.append((pen + position.x_offset) / self._upem)
            y.append(position.y_offset / self._upem)
            pen += position.x_advance
        return GlyphRun(glyphs, x, y, pen / self._upem)

    def bitmap(self, glyph: int, size: int, subpixel_shift: float) -> GlyphBitmap | None:
        """Rasterize `glyph` at `size` pixels per em; None for a glyph without ink.

        `subpixel_shift`, 0 to 1, is how far right of a whole pixel the pen is.
        """
        scale = size / self._upem
        if self._hb_face.has_color_png:
            return self._strike(glyph, scale, subpixel_shift)
        self._raster.transform = (scale, 0, 0, scale, subpixel_shift, 0)
        self._raster.draw_glyph(self._hb_font, glyph)
        image = self._raster.render()
        extents = image.extents if image else None
        if image is None or extents is None or not extents.width or not extents.height:
            return None
        rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)
        # HarfBuzz stores the lowest row first.
        ink = rows[::-1, : extents.width]
        return GlyphBitmap(ink, extents.x_origin, extents.y_origin + extents.height)

    def _strike(self, glyph: int, scale: float, subpixel_shift: float) -> GlyphBitmap | None:
        """Return a glyph of an embedded colour bitmap font (emoji) in gray."""
        if glyph not in self._strikes:
            png = self._hb_font.get_glyph_color_png(glyph)
            extents = self._hb_font.get_glyph_extents(glyph)
            self._strikes[glyph] = (
                (_gray_ink(bytes(png.data)), extents) if extents is not None and png else None
            )
        strike = self._strikes[glyph]
        if strike is None:
            return None
        image, extents = strike
        width = max(1, round(abs(extents.width) * scale))
        height = max(1, round(abs(extents.height) * scale))
        return GlyphBitmap(
            np.asarray(image.resize((width, height), Image.Resampling.BOX)),
            round(extents.x_bearing * scale + subpixel_shift),
            round(extents.y_bearing * scale),
        )


def _gray_ink(png: bytes) -> Image.Image:
    """Return a colour PNG on white paper in gray, inverted: 0 paper to 255 ink."""
    glyph = Image.open(io.BytesIO(png)).convert("RGBA")
    paper = Image.new("RGBA", glyph.size, "white")
    return Image.alpha_composite(paper, glyph).convert("L").point(lambda value: 255 - value)


def _unusable_font(path: Path) -> FontError:
    return FontError(
        f"{path} is not a usable font",
        "Choose a scalable TrueType or OpenType font.",
        "page.font",
    )
