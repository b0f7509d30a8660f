"""A rendered page, and its size and token count in the input of a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.image_tokens import PageSize, page_tokens, resize_scale
from deepsynth_tui.models.layout import ImageDimensions

MIN_LEGIBLE_X_HEIGHT = 6.0
"""x-height in pixels below which OCR errors rise steeply (measured with Tesseract 5)."""


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Page number `page` of the `pages` of a document, and its content.

    `width`, `height`, `font_size` and `x_height` are in pixels. The counts of missing glyphs, split
    tokens, clipped glyphs and unreadable characters in the answer are those of the whole document.
    """

    document: str
    page: int
    pages: int
    width: int
    height: int
    characters: int
    font_size: int
    x_height: float
    fonts: tuple[str, ...]
    missing_glyphs: int
    split_tokens: int
    clipped_glyphs: int
    unreadable_characters: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PageForModel:
    """A page as input of `model`: its image tokens, and the x-height in pixels after the resize of
    the model's processor."""

    model: str
    tokens: int
    characters_per_token: float
    x_height: float

    @property
    def is_legible(self) -> bool:
        """Whether the letters stay large enough to be read."""
        return self.x_height >= MIN_LEGIBLE_X_HEIGHT


def page_for_model(
    page: PageInfo, image: ImageDimensions, model: ModelSettings
) -> PageForModel | None:
    """Return a page as the model with these image dimensions gets it.

    None if the model's image rule is unknown.
    """
    size = PageSize(page.width, page.height)
    tokens, scale = page_tokens(size, image, model), resize_scale(size, image, model)
    if not tokens or not scale:
        return None
    return PageForModel(model.name_or_path, tokens, page.characters / tokens, page.x_height * scale)
