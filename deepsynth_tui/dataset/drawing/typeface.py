"""A font as the layout sees it: widths and heights as multiples of the font size."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cached_property
from pathlib import Path

from PIL import ImageFont

from deepsynth_tui.dataset.cleaning import is_invisible
from deepsynth_tui.dataset.drawing.charmap import NoCharacterMap, covered
from deepsynth_tui.dataset.errors import FontError

# At this size hinting rounds a width by less than a thousandth.
MEASURING_SIZE = 2048
# Right-to-left scripts, and blocks whose letters change with their neighbours: Devanagari to
# Sinhala, Tibetan, Myanmar, Khmer. Drawn letter by letter, they are not what a person would write.
RIGHT_TO_LEFT = frozenset(("R", "AL"))
SHAPED_BLOCKS = ((0x0900, 0x0DFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF))


def open_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """Return the font at `path` for `size` pixels; the same everywhere, whatever Pillow has.

    Raises `FontError` where FreeType cannot read it.
    """
    try:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise FontError(
            f"{path} is no font that can be used: {error}",
            "Choose a scalable TrueType or OpenType font.",
            "page.font",
        ) from error


class Typeface:
    """What can be known of a font without drawing. Lengths are multiples of the font size."""

    def __init__(self, path: Path) -> None:
        """Read the font at `path`. Raises `FontError`."""
        self.path = path
        self._font = open_font(path, MEASURING_SIZE)
        try:
            self._covered = covered(path)
        except NoCharacterMap as error:
            raise FontError(
                f"{path}: {error}", "Choose a TrueType or OpenType font.", "page.font"
            ) from error
        ascent, descent = self._font.getmetrics()
        self.ascent = ascent / MEASURING_SIZE
        self.descent = descent / MEASURING_SIZE
        self._advances: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The name of the family and of the cut, as the font itself has them."""
        family, style = self._font.getname()
        return " ".join(part for part in (family, style) if part)

    @cached_property
    def x_height(self) -> float:
        """The height of a small x; half the size where the font has no such letter."""
        _, top, _, bottom = self._font.getbbox("x", anchor="ls")
        return (bottom - top) / MEASURING_SIZE if self.has("x") else 0.5

    def width(self, text: str) -> float:
        """Return the width of `text`: the sum of its advances, without kerning."""
        return sum(map(self.advance, text))

    def advance(self, character: str) -> float:
        """Return how far `character` moves the pen; 0 where it is invisible by nature."""
        known = self._advances.get(character)
        if known is None:
            known = self._advances[character] = self._measure(character)
        return known

    def has(self, character: str) -> bool:
        """Return whether the font has a glyph for `character`."""
        return ord(character) in self._covered

    def missing(self, counts: Counter[str]) -> Counter[str]:
        """Return those of `counts` for which the font has no glyph."""
        return Counter({c: number for c, number in counts.items() if not self.has(c)})

    def _measure(self, character: str) -> float:
        if character.isspace() and not self.has(character):
            character = "n" if character == "\N{IDEOGRAPHIC SPACE}" else " "
        elif is_invisible(character) and not character.isspace():
            return 0.0
        return self._font.getlength(character) / MEASURING_SIZE


def needs_shaping(character: str) -> bool:
    """Return whether drawing `character` on its own, left to right, would be wrong."""
    if character.isascii():
        return False
    if unicodedata.bidirectional(character) in RIGHT_TO_LEFT:
        return True
    return any(low <= ord(character) <= high for low, high in SHAPED_BLOCKS)
