"""A drawn page, and what is left of it for a model that looks at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deepsynth_tui.config.training import ModelSettings
from deepsynth_tui.models.image_tokens import PageSize, page_tokens, resize_scale
from deepsynth_tui.models.layout import ImageDimensions

MIN_LEGIBLE_X_HEIGHT = 6.0
"""Pixels of an x below which OCR errors rise steeply (measured with Tesseract 5)."""


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page of a document, `page` of `pages`, and what it holds.

    `width`, `height`, `font_size` and `x_height` in pixels. The flaws are those of the whole
    document.
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

    def to_json(self) -> dict[str, Any]:
        """Return every figure."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PageForModel:
    """One page as `model` gets it: `tokens` in its prompt, and the height of an x in pixels, after
    its own resize."""

    model: str
    tokens: int
    characters_per_token: float
    x_height: float

    @property
    def is_legible(self) -> bool:
        """Whether letters stay large enough to be read."""
        return self.x_height >= MIN_LEGIBLE_X_HEIGHT


def page_for_model(
    page: PageInfo, image: ImageDimensions, model: ModelSettings
) -> PageForModel | None:
    """Return what a model that reads images as `image` says sees of a page; None where its rule is
    not known."""
    size = PageSize(page.width, page.height)
    tokens, scale = page_tokens(size, image, model), resize_scale(size, image, model)
    if not tokens or not scale:
        return None
    return PageForModel(model.name_or_path, tokens, page.characters / tokens, page.x_height * scale)
