"""The model that the Training form names, and what it sees of a page."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.training import DEFAULT_MODEL, ModelSettings
from deepsynth_tui.models import layout
from deepsynth_tui.models.page_for_model import PageForModel, PageInfo, page_for_model
from deepsynth_tui.tui.forms.drafts import BrokenDraft, load_draft


def seen_by_draft(home: Path, page: PageInfo) -> PageForModel | None:
    """Return what `page` is to the model of the training draft under `home`.

    None where nothing is known of how it reads pages: its profile is made when the Training form
    names it. Reads two small files.
    """
    try:
        draft = load_draft(home, "training").get("model") or {}
    except BrokenDraft:
        draft = {}
    name = draft.get("name_or_path") or DEFAULT_MODEL
    known = layout.load_layout(name, draft.get("revision"))
    if known is None or known.image is None:
        return None
    model = ModelSettings(
        name_or_path=name, min_pixels=draft.get("min_pixels"), max_pixels=draft.get("max_pixels")
    )
    return page_for_model(page, known.image, model)
