"""From a text to its pages: the one door to fonts, layout and ink.

A `Renderer` is made from the settings alone, so each process can make its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.config.dataset import DegradeSettings, PageSettings
from deepsynth_tui.dataset.drawing.degrade import degraded
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.han_language import ideograph_language
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry, palette
from deepsynth_tui.dataset.drawing.png import PngWriter
from deepsynth_tui.dataset.drawing.typesetter import Layout, Typesetter
from deepsynth_tui.dataset.drawing.wrapping import ColumnTooNarrow
from deepsynth_tui.dataset.errors import PageError

# Bits to a pixel: as drawn, and after what a scanner does to a page.
DRAWN_BITS = 4
DEGRADED_BITS = 8


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as a PNG file, and which characters of the text are on it."""

    png: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RenderedText:
    """The pages of a text, with counts of what went wrong.

    `x_height` is in pixels; `fonts` are the names of those used. `missing_glyphs` counts the
    characters drawn as a box, because no font has a glyph for them. `lost_characters` is how many
    characters were laid out but not drawn: 0, or the renderer has a bug.
    """

    pages: tuple[RenderedPage, ...]
    font_size: int
    x_height: float
    fonts: tuple[str, ...]
    missing_glyphs: Counter[str]
    split_tokens: int
    clipped_glyphs: int
    lines: int
    lost_characters: int

    def without_images(self) -> RenderedText:
        """Return the figures alone."""
        return replace(self, pages=())


class Renderer:
    """Draws texts on the pages that `page` describes."""

    def __init__(
        self, page: PageSettings, degrade: DegradeSettings | None = None, seed: int = 0
    ) -> None:
        """Open the fonts. Raises `FontError`, and `PageError` where no text would fit."""
        self._sheet = PageGeometry.from_settings(page)
        self._degrade = degrade or DegradeSettings()
        self._seed = seed
        weights = page.fonts or {page.font: 1.0}
        self._page = page
        self._stacks = [FontStack(font, page.fallback_fonts) for font in weights]
        self._typesetters: dict[tuple[int, str | None], Typesetter] = {}
        for number in range(len(self._stacks)):
            self._typesetter(number, None)
        self._weights = np.cumsum(list(weights.values())) / sum(weights.values())
        self._leaves_to_chance = len(weights) > 1 or self._degrade.share > 0
        size = self._sheet.width, self._sheet.height
        self._plain = PngWriter(*size, DRAWN_BITS, palette(page, DRAWN_BITS))
        self._degraded = PngWriter(*size, DEGRADED_BITS, palette(page, DEGRADED_BITS))

    @property
    def font_name(self) -> str:
        """The full names of the chosen fonts."""
        return ", ".join(one.first.name for one in self._stacks)

    def render(self, text: str, key: str = "") -> RenderedText:
        """Draw all of `text`; a text without ink has no pages.

        `key` names the document: with the seed it decides what is left to chance, the font and
        the flaws, so that a document has the same pages in every process. Raises `PageError`
        where a single character is wider than a column.
        """
        rng = self._chance(key) if self._leaves_to_chance else None
        chosen, degrades = 0, False
        if rng:
            place = int(np.searchsorted(self._weights, rng.random(), side="right"))
            chosen = min(place, len(self._stacks) - 1)
            degrades = rng.random() < self._degrade.share
        typesetter = self._typesetter(chosen, ideograph_language(text))
        layout = self._lay_out(typesetter, text)
        pages = []
        clipped = characters = 0
        for page in layout.pages:
            drawn, on_page = typesetter.draw(layout, page)
            rows = drawn.rows
            png = self._worn(rows, rng) if rng and degrades else self._plain.write(rows)
            pages.append(RenderedPage(png, page.start, page.end))
            clipped += drawn.clipped_glyphs
            characters += on_page
        return RenderedText(
            pages=tuple(pages),
            font_size=layout.size,
            x_height=typesetter.fonts.first.x_height * layout.size,
            fonts=typesetter.fonts_of(layout),
            missing_glyphs=typesetter.missing(layout),
            split_tokens=layout.split_tokens,
            clipped_glyphs=clipped,
            lines=layout.lines,
            lost_characters=int(layout.text.lengths.sum()) - characters,
        )

    def _typesetter(self, number: int, language: str | None) -> Typesetter:
        key = number, language
        if key not in self._typesetters:
            fonts = self._stacks[number]
            self._typesetters[key] = Typesetter(fonts, self._page, self._sheet, language)
        return self._typesetters[key]

    def _chance(self, key: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._seed}:{key}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest))

    def _lay_out(self, typesetter: Typesetter, text: str) -> Layout:
        try:
            return typesetter.lay_out(text)
        except ColumnTooNarrow as error:
            raise PageError(
                f"the character {text[error.place]!r} is wider than a column",
                "Use a larger page, a smaller margin, fewer columns or a smaller font.",
                "page.margin",
            ) from error

    def _worn(self, rows: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
        # Two pixels to a byte, the left one above; 4 bits to 8.
        halves = np.stack([rows[:, 1:] >> 4, rows[:, 1:] & 15], axis=2) * np.uint8(17)
        page = halves.reshape(len(rows), -1)[:, : self._sheet.width].astype(np.uint8)
        worn = degraded(page, self._degrade, self._sheet, rng)
        return self._degraded.write(np.insert(worn, 0, 0, axis=1))
