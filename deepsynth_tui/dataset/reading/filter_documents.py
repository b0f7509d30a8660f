"""Which documents are wanted at all."""

from __future__ import annotations

from deepsynth_tui.config import unicode_scripts
from deepsynth_tui.config.dataset import FilterSettings

TOO_SHORT = "shorter than filter.min_characters"
TOO_LONG = "longer than filter.max_characters"
OTHER_SCRIPT = "not in filter.scripts"


def reason_to_leave_out(text: str, wanted: FilterSettings) -> str | None:
    """Return why a document with this cleaned text is not wanted, None where it is."""
    if wanted.min_characters is not None and len(text) < wanted.min_characters:
        return TOO_SHORT
    if wanted.max_characters is not None and len(text) > wanted.max_characters:
        return TOO_LONG
    if wanted.scripts and unicode_scripts.share(text, wanted.scripts) < wanted.script_share:
        return OTHER_SCRIPT
    return None
