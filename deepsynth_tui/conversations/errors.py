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

    def __init__(self, row_id: str, reason: str | None = None, advice: str = "") -> None:
        if reason is None:  # torch repeats an error of a DataLoader worker as one text
            text = row_id.rpartition("RowError: ")[2].strip()
            row_id, _, reason = text.partition(": ")
        super().__init__(f"{row_id}: {reason}", advice)
        self.args = (row_id, reason, advice)  # a pickled exception is its arguments
        self.row_id = row_id
        self.reason = reason


class UnusableRow(Exception):
    """What is wrong with a row, where its name is not known; becomes a `RowError`."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice
