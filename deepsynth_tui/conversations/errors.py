"""Errors of datasets and of their rows."""

from __future__ import annotations

from deepsynth_tui.errors import UserError


class DatasetError(UserError):
    """A dataset cannot be read or used as a whole."""


class RowError(DatasetError):
    """A row cannot be used.

    Args:
        row_id: Name of the row in messages.
        reason: What is wrong with it; a clause without the name of the row.
        advice: What to do next.
    """

    def __init__(self, row_id: str, reason: str, advice: str = "") -> None:
        super().__init__(f"{row_id}: {reason}", advice)
        self.args = (row_id, reason, advice)  # a pickled exception is its arguments
        self.row_id = row_id
        self.reason = reason
