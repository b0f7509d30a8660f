"""Rows that cannot be used: refused or left out, as `data.bad_rows` says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.conversations.errors import RowError

log = logging.getLogger(__name__)

# At most this share of a dataset's rows is left out, and of a row's text truncated. Removing more
# would train on something else than the user asked for.
MAX_REMOVED_SHARE = 0.5
NAMED_ERRORS = 5
LOGGED_ERRORS = 1000


def bad_rows_error(errors: Sequence[RowError], rows: str) -> TrainingError:
    """Return the error for bad rows; `rows` says of how many rows they are."""
    return TrainingError(
        f"{len(errors):,} of {rows} cannot be used: {named_errors(errors)}",
        f"{errors[0].advice} data.bad_rows: skip leaves out such rows, at most "
        f"{MAX_REMOVED_SHARE:.0%} of all.".lstrip(),
    )


def too_many_bad_rows_error(errors: Sequence[RowError], rows: str) -> TrainingError:
    """Return the error for more bad rows than may be left out."""
    return TrainingError(
        f"{len(errors):,} of {rows} cannot be used, and data.bad_rows: skip leaves out at most "
        f"{MAX_REMOVED_SHARE:.0%}: {named_errors(errors)}",
        errors[0].advice,
    )


def left_out_note(errors: Sequence[RowError], rows: str) -> str:
    """Return the note on bad rows that are left out."""
    verb = "is left out because it" if len(errors) == 1 else "are left out because they"
    return f"{len(errors):,} of {rows} {verb} cannot be used: {named_errors(errors)}"


def named_errors(errors: Sequence[RowError]) -> str:
    """Return names and reasons of the first bad rows, and how many more there are."""
    named = "; ".join(f"{error.row_id}: {error.reason}" for error in errors[:NAMED_ERRORS])
    more = len(errors) - NAMED_ERRORS
    return f"{named}; and {more:,} more" if more > 0 else named


def log_bad_rows(errors: Sequence[RowError]) -> None:
    """Write a line for each bad row, up to `LOGGED_ERRORS`."""
    for error in errors[:LOGGED_ERRORS]:
        log.warning("cannot be used: %s: %s", error.row_id, error.reason)
    if len(errors) > LOGGED_ERRORS:
        log.warning("and %s more rows", f"{len(errors) - LOGGED_ERRORS:,}")
