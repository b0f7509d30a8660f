"""The rows that a run uses: those that can be used and fit `data.max_length`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.bad_rows import (
    MAX_REMOVED_SHARE,
    bad_rows_error,
    left_out_note,
    log_bad_rows,
    too_many_bad_rows_error,
)
from deepsynth_tui.training.data.count_rows import CountedRows, count_rows, remark_notes
from deepsynth_tui.training.data.lengths import RowLengths
from deepsynth_tui.training.data.too_long_rows import LimitedRows, limit_row_length

if TYPE_CHECKING:
    from deepsynth_tui.estimate.row_statistics import RowStatistics
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows, Split
    from deepsynth_tui.training.data.example import Truncation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SelectedSide:
    """The rows of one side of a split by their indices in the dataset, and their truncations."""

    indices: Sequence[int]
    truncations: Mapping[int, Truncation]

    def of(self, rows: Rows) -> Rows:
        """Return these rows, of the whole side `rows`."""
        return replace(rows, indices=self.indices, truncations=self.truncations)


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """Which rows of a split are used, without the rows themselves: ranks send it to each other.

    `lengths` are the tokens of the rows to train on. `bad_rows`, `too_long` and `remarks` say what
    was left out, shortened, and noticed on pages; `counts` has the numbers of rows.
    """

    train: SelectedSide
    held_out: SelectedSide
    statistics: RowStatistics
    lengths: Sequence[int]
    bad_rows: tuple[str, ...]
    too_long: tuple[str, ...]
    remarks: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def notes(self) -> tuple[str, ...]:
        """All that was changed or noticed."""
        return (*self.bad_rows, *self.too_long, *self.remarks)

    def of(self, split: Split) -> Split:
        """Return the rows that are used, of the whole split."""
        return replace(
            split, train=self.train.of(split.train), held_out=self.held_out.of(split.held_out)
        )


def select_rows(
    split: Split, collator: Collator, *, report: Callable[[int], bool]
) -> SelectedRows | None:
    """Decode and count all rows, and handle those that are bad, then those that are too long.

    `report` gets the number of rows done and returns whether to continue. Returns None if it was
    stopped.

    Raises:
        TrainingError: rows cannot be used and may not be left out, or more than
            `MAX_REMOVED_SHARE` of them would be; or as `limit_row_length`.
    """
    sides = {"training": split.train, "held out": split.held_out}
    counted: list[CountedRows] = []
    done = 0
    for rows in sides.values():
        counts = count_rows(rows, collator, report=partial(_report_total, report, done))
        if counts is None:
            return None
        done += counts.rows
        counted.append(counts)
    errors = [error for counts in counted for error in counts.errors]
    log_bad_rows(errors)
    if errors and collator.config.data.bad_rows == "stop":
        raise bad_rows_error(errors, f"{done:,} rows")
    limited: list[LimitedRows] = []
    bad_rows: list[str] = []
    too_long: list[str] = []
    remarks: list[str] = []
    for (side, rows), counts in zip(sides.items(), counted, strict=True):
        usable, lengths = _without_bad_rows(rows, counts)
        if usable:
            log_lengths(side, lengths)
        limit = limit_row_length(usable, lengths, collator)
        limited.append(limit)
        if counts.errors:
            bad_rows.append(f"{side}: {left_out_note(counts.errors, f'{counts.rows:,} rows')}")
        if limit.note:
            too_long.append(f"{side}: {limit.note}")
        remarks += (f"{side}: {note}" for note in remark_notes(counts.remarked, counts.rows))
    train, held_out = limited
    numbers = {
        "bad_rows": len(errors),
        "left_out": train.left_out + held_out.left_out,
        "shortened": train.shortened + held_out.shortened,
    }
    return SelectedRows(
        train=SelectedSide(train.rows.indices, train.rows.truncations),
        held_out=SelectedSide(held_out.rows.indices, held_out.rows.truncations),
        statistics=train.lengths.statistics(total_rows=split.train.total_rows),
        lengths=train.lengths.tokens,
        bad_rows=tuple(bad_rows),
        too_long=tuple(too_long),
        remarks=tuple(remarks),
        counts={name: number for name, number in numbers.items() if number},
    )


def log_lengths(side: str, lengths: RowLengths) -> None:
    """Write the mean and the largest length of the rows of a side."""
    tokens = lengths.tokens
    log.info(
        "%d rows %s: %d tokens on average, %d at most",
        *(len(tokens), side, sum(tokens) // len(tokens), max(tokens)),
    )


def _report_total(report: Callable[[int], bool], done_before: int, done: int) -> bool:
    return report(done_before + done)


def _without_bad_rows(rows: Rows, counted: CountedRows) -> tuple[Rows, RowLengths]:
    if len(counted.errors) > MAX_REMOVED_SHARE * counted.rows:
        raise too_many_bad_rows_error(counted.errors, f"{counted.rows:,} rows")
    lengths = [counted.lengths[index] for index in rows.indices]
    kept = {i: length for i, length in enumerate(lengths) if length is not None}
    usable = rows.select(list(kept)) if counted.errors else rows
    return usable, RowLengths(list(kept.values()))
