"""Errors of datasets and of their rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deepsynth_tui.errors import UserError, note_arguments, noted_arguments


class DatasetError(UserError):
    """A dataset cannot be read or used as a whole."""


class ImageError(DatasetError):
    """An image cannot be used; the message is a clause without the name of its row."""


class RowError(DatasetError):
    """A row cannot be used.

    If a DataLoader worker raises it, the arguments come back from the text of its traceback.

    Args:
        row_id: Name of the row in messages.
        reason: What is wrong with it; a clause without the name of the row.
        advice: What to do next.
    """

    def __init__(self, row_id: str, reason: str | None = None, advice: str = "") -> None:
        arguments = noted_arguments(row_id) if reason is None else (row_id, reason, advice)
        self.row_id, self.reason, advice = map(str, (*arguments, "", "")[:3])
        message = f"{self.row_id}: {self.reason}" if self.reason else self.row_id
        super().__init__(message, advice)
        self.args = (self.row_id, self.reason, advice)  # a pickled exception is its arguments
        note_arguments(self)


@contextlib.contextmanager
def errors_of_row(row_id: str) -> Iterator[None]:
    """Raise an `ImageError` of the block as the `RowError` of a row."""
    try:
        yield
    except ImageError as error:
        raise RowError(row_id, error.message, error.advice) from error


class UnusableRow(Exception):
    """What is wrong with a row, where its name is not known; becomes a `RowError`."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice
