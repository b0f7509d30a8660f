"""What a page is to the model that the Training form names: tokens, and how small letters get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config.training import DEFAULT_MODEL, ModelSettings
from deepsynth_tui.estimate.profiles import profile
from deepsynth_tui.estimate.profiles.images import PageSize, enlargement, page_tokens
from deepsynth_tui.tui.forms.drafts import BrokenDraft, load_draft
from deepsynth_tui.tui.forms.preflight import FirstPage

SMALLEST_READ = 6.0
"""Pixels of an x below which OCR errors rise steeply (measured with Tesseract 5)."""


@dataclass(frozen=True, slots=True)
class PageSeen:
    """Of one page: `tokens` in the prompt of `model`, and the height of an x after its resize."""

    model: str
    tokens: int
    characters_per_token: float
    x_height: float

    @property
    def is_legible(self) -> bool:
        """Whether letters stay large enough to be read."""
        return self.x_height >= SMALLEST_READ


def page_seen(home: Path, page: FirstPage) -> PageSeen | None:
    """Return what `page` is to the model of the training draft under `home`.

    None where nothing is known of how it reads pages: its profile is made when the Training form
    names it. Reads two small files.
    """
    try:
        draft = load_draft(home, "training").get("model") or {}
    except BrokenDraft:
        draft = {}
    name = draft.get("name_or_path") or DEFAULT_MODEL
    known = profile.load(name, draft.get("revision"))
    if known is None or known.image is None:
        return None
    size = PageSize(page.width, page.height)
    model = ModelSettings(
        name_or_path=name, min_pixels=draft.get("min_pixels"), max_pixels=draft.get("max_pixels")
    )
    tokens = page_tokens(size, known.image, model)
    scale = enlargement(size, known.image, model)
    if not tokens or not scale:
        return None
    return PageSeen(name, tokens, page.characters / tokens, page.x_height * scale)
