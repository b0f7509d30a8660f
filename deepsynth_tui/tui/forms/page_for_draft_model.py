"""How a page looks to the model in the draft of the Training form."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.model import DEFAULT_MODEL, ModelSettings
from deepsynth_tui.models.layout import load_layout
from deepsynth_tui.models.page_for_model import PageForModel, PageInfo, page_for_model
from deepsynth_tui.tui.forms.drafts import DraftError, load_draft


def page_for_draft_model(home: Path, page: PageInfo) -> PageForModel | None:
    """Return the size of `page` for the model of the training draft under `home`.

    None if that model's layout is not cached yet: the Training form reads it. Reads two small
    files.
    """
    try:
        draft = load_draft(home, "training").get("model") or {}
    except DraftError:
        draft = {}
    name = draft.get("name_or_path") or DEFAULT_MODEL
    model_layout = load_layout(name, draft.get("revision"))
    if model_layout is None or model_layout.image is None:
        return None
    model = ModelSettings(
        name_or_path=name, min_pixels=draft.get("min_pixels"), max_pixels=draft.get("max_pixels")
    )
    return page_for_model(page, model_layout.image, model)
