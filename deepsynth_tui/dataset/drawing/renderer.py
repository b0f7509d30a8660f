"""Render texts to page images: the entry point of this package.

A `Renderer` is built from settings alone, so every worker process can build its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.config.dataset import DegradeSettings, PageSettings
from deepsynth_tui.dataset.drawing.degrade import DegradedPage, degrade_page
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.han_language import han_language
from deepsynth_tui.dataset.drawing.jpeg import JpegEncoder
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry
from deepsynth_tui.dataset.drawing.pagination import PageLayout
from deepsynth_tui.dataset.drawing.palette import page_palette
from deepsynth_tui.dataset.drawing.png import PngEncoder
from deepsynth_tui.dataset.drawing.text_boxes import PageText, TextBoxes
from deepsynth_tui.dataset.drawing.typesetter import DrawnPage, TextLayout, Typesetter
from deepsynth_tui.dataset.drawing.wrapping import ColumnTooNarrow
from deepsynth_tui.dataset.errors import PageError

# Bits per pixel of a clean and of a degraded page.
CLEAN_BITS = 4
DEGRADED_BITS = 8


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page as a PNG or JPEG file; it shows the characters `start` to `end` of the text.

    `lines` and `words` are those on it, if `page.boxes` asks for them.
    """

    image: bytes
    start: int
    end: int
    lines: TextBoxes | None = None
    words: TextBoxes | None = None


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


class Renderer:
    """Renders texts on the pages that `page` describes."""

    def __init__(
        self, page: PageSettings, degrade: DegradeSettings | None = None, seed: int = 0
    ) -> None:
        """Open the fonts. Raises `FontError`, and `PageError` if no text fits on the page."""
        self._geometry = PageGeometry.from_settings(page)
        self._degrade = degrade or DegradeSettings()
        self._seed = seed
        weights = page.fonts or {page.font: 1.0}
        self._page = page
        self._stacks = [FontStack(font, page.fallback_fonts) for font in weights]
        self._typesetters: dict[tuple[int, str | None], Typesetter] = {}
        for stack in range(len(self._stacks)):
            self._typesetter(stack, None)
        self._cumulative_weights = np.cumsum(list(weights.values())) / sum(weights.values())
        self._is_random = len(weights) > 1 or self._degrade.share > 0
        size = self._geometry.width, self._geometry.height
        self._clean_encoder = PngEncoder(*size, CLEAN_BITS, page_palette(page, CLEAN_BITS))
        degraded_palette = page_palette(page, DEGRADED_BITS)
        self._lossless_encoder = PngEncoder(*size, DEGRADED_BITS, degraded_palette)
        self._jpeg_encoder = JpegEncoder(degraded_palette)

    @property
    def font_name(self) -> str:
        """The full names of the chosen fonts."""
        return ", ".join(stack.primary.name for stack in self._stacks)

    def render(self, text: str, key: str = "") -> RenderedText:
        """Render all of `text`; a text without ink has no pages.

        `key` identifies the document. With the seed it determines what is random, the font and
        the degradation, so a document has the same pages in every process. Raises `PageError` if
        a single character is wider than a column.
        """
        rng = self._rng(key) if self._is_random else None
        stack, degrade = 0, False
        if rng:
            index = int(np.searchsorted(self._cumulative_weights, rng.random(), side="right"))
            stack = min(index, len(self._stacks) - 1)
            degrade = rng.random() < self._degrade.share
        typesetter = self._typesetter(stack, han_language(text))
        layout = self._lay_out(typesetter, text)
        pages = []
        clipped = drawn_characters = 0
        for page in layout.pages:
            drawn = typesetter.draw(layout, page, with_glyphs=self._page.boxes != "none")
            rows, rotation = drawn.bitmap.rows, 0.0
            if rng and degrade:
                image, rotation = self._degraded_image(rows, rng)
            else:
                image = self._clean_encoder.encode(rows)
            lines, words = self._boxes(text, layout, page, drawn, rotation)
            pages.append(RenderedPage(image, page.start, page.end, lines, words))
            clipped += drawn.bitmap.clipped_glyphs
            drawn_characters += drawn.characters
        return RenderedText(
            pages=tuple(pages),
            font_size=layout.font_size,
            x_height=typesetter.fonts.primary.x_height * layout.font_size,
            fonts=typesetter.font_names(layout),
            missing_glyphs=typesetter.missing_glyphs(layout),
            split_tokens=layout.split_tokens,
            clipped_glyphs=clipped,
            lines=layout.lines,
            lost_characters=int(layout.text.lengths.sum()) - drawn_characters,
        )

    def _boxes(
        self, text: str, layout: TextLayout, page: PageLayout, drawn: DrawnPage, rotation: float
    ) -> tuple[TextBoxes | None, TextBoxes | None]:
        """Return the lines and the words of a page as far as `page.boxes` asks for them."""
        if drawn.glyphs is None:
            return None, None
        size = self._geometry.width, self._geometry.height
        page_text = PageText(text, layout.text, page, drawn.glyphs)
        lines = page_text.lines().rotated(rotation, *size)
        if self._page.boxes == "lines":
            return lines, None
        return lines, page_text.words().rotated(rotation, *size)

    def _typesetter(self, stack: int, language: str | None) -> Typesetter:
        key = stack, language
        if key not in self._typesetters:
            fonts = self._stacks[stack]
            self._typesetters[key] = Typesetter(fonts, self._page, self._geometry, language)
        return self._typesetters[key]

    def _rng(self, key: str) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._seed}:{key}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest))

    def _lay_out(self, typesetter: Typesetter, text: str) -> TextLayout:
        try:
            return typesetter.lay_out(text)
        except ColumnTooNarrow as error:
            raise PageError(
                f"the character {text[error.position]!r} is wider than a column",
                "Use a larger page, a smaller margin, fewer columns or a smaller font.",
                "page.margin",
            ) from error

    def _degraded_image(
        self, rows: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[bytes, float]:
        """Return a degraded page as a file, and its rotation in degrees."""
        # Unpack two 4-bit pixels per byte, the left one in the high half, to 8 bits each.
        pixels = np.stack([rows[:, 1:] >> 4, rows[:, 1:] & 15], axis=2) * np.uint8(17)
        page = pixels.reshape(len(rows), -1)[:, : self._geometry.width].astype(np.uint8)
        degraded = degrade_page(page, self._degrade, self._geometry, rng)
        return self._encode_degraded(degraded, rows), degraded.rotation

    def _encode_degraded(self, degraded: DegradedPage, clean_rows: NDArray[np.uint8]) -> bytes:
        if degraded.jpeg_quality is None:
            return self._lossless_encoder.encode(np.insert(degraded.pixels, 0, 0, axis=1))
        max_bytes = None
        if self._degrade.max_size is not None:
            max_bytes = int(self._degrade.max_size * len(self._clean_encoder.encode(clean_rows)))
        return self._jpeg_encoder.encode(degraded.pixels, degraded.jpeg_quality, max_bytes)
