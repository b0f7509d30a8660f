"""Filter documents by length and script."""

from __future__ import annotations

from deepsynth_tui.config import unicode_scripts
from deepsynth_tui.config.dataset import FilterSettings

TOO_SHORT = "shorter than filter.min_characters"
TOO_LONG = "longer than filter.max_characters"
OTHER_SCRIPT = "not in filter.scripts"


def rejection_reason(text: str, settings: FilterSettings) -> str | None:
    """Return why the filter rejects a document with this cleaned `text`, None if it does not."""
    if settings.min_characters is not None and len(text) < settings.min_characters:
        return TOO_SHORT
    if settings.max_characters is not None and len(text) > settings.max_characters:
        return TOO_LONG
    if settings.scripts and unicode_scripts.share(text, settings.scripts) < settings.script_share:
        return OTHER_SCRIPT
    return None
