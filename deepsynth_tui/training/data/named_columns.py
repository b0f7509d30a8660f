"""The columns that a configuration names."""

from __future__ import annotations

from deepsynth_tui.config.data import RowSettings
from deepsynth_tui.conversations.columns import Columns


def columns_of(settings: RowSettings) -> Columns:
    """Return the columns that are named for a dataset."""
    return Columns(
        images=settings.image_column,
        target=settings.target_column,
        question=settings.question_column,
        messages=settings.messages_column,
        system=settings.system_column,
    )
