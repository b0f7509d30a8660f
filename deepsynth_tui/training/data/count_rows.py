"""Every row is rendered, decoded and counted before training, in worker processes.

What is wrong with a row is found here and not at the step that trains on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from deepsynth_tui.conversations.errors import RowError, errors_of_row
from deepsynth_tui.conversations.page_image import open_page
from deepsynth_tui.training.data.lengths import RowLength, TokenCounter
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

MIN_ROWS_FOR_WORKERS = 64  # fewer are counted before the workers have started
MAX_WORKERS = 16  # each decodes a page at a time, 0.5 GiB at most
ROWS_PER_TASK = 4  # a stop waits for the tasks that workers have begun
NAMED_ROWS = 3


@dataclass(frozen=True, slots=True)
class CountedRow:
    """The length of a row or why it cannot be used, and remarks that complete "the row has ..."."""

    index: int
    row_id: str
    length: RowLength | None = None
    error: RowError | None = None
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class CountedRows:
    """The lengths of rows by their index in the dataset, None for one that cannot be used.

    `remarked` has the ids of the rows with each remark.
    """

    lengths: dict[int, RowLength | None] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    remarked: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows that were counted."""
        return len(self.lengths)

    @property
    def usable(self) -> dict[int, RowLength]:
        """The lengths of the rows that can be used."""
        return {index: length for index, length in self.lengths.items() if length is not None}

    def add(self, row: CountedRow) -> None:
        """Add the next row."""
        self.lengths[row.index] = row.length
        if row.error is not None:
            self.errors.append(row.error)
        for remark in row.remarks:
            self.remarked.setdefault(remark, []).append(row.row_id)


class RowCounter(torch.utils.data.Dataset[CountedRow]):
    """Counts the row at a position; with `decode`, decodes its images as well."""

    def __init__(self, rows: Rows, collator: Collator, *, decode: bool) -> None:
        self._rows = rows
        self._counter = TokenCounter(collator)
        self._decode = decode

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> CountedRow:
        index = self._rows.indices[position]
        row_id = f"row {index}"  # until its document is known
        remarks: list[str] = []
        try:
            example = self._rows[position]
            row_id = example.row_id
            chat = self._counter.collator.render(example)
            if self._decode:
                with errors_of_row(row_id):
                    for stored in chat.example.images:
                        remarks += open_page(stored).remarks
            length = self._counter.count(chat)
        except RowError as error:
            return CountedRow(index, error.row_id, error=error)
        except TrainingError as error:  # of the model, but it may concern only some rows
            reason = error.message.removeprefix(f"{row_id}: ")
            return CountedRow(index, row_id, error=RowError(row_id, reason, error.advice))
        return CountedRow(index, row_id, length, remarks=tuple(dict.fromkeys(remarks)))


def iterate_counted(
    rows: Rows, collator: Collator, *, decode: bool, workers: int | None = None
) -> Generator[CountedRow, None, None]:
    """Yield all rows in order, counted by `workers` processes; 0 for none, None to choose.

    Closing the iterator ends the workers.
    """
    workers = worker_count(len(rows)) if workers is None else workers
    loader = torch.utils.data.DataLoader(
        RowCounter(rows, collator, decode=decode),
        batch_size=ROWS_PER_TASK if workers else 1,
        num_workers=workers,
        collate_fn=list,
        generator=torch.Generator(),  # else it draws from torch's own, which training uses
    )
    for task in loader:
        yield from task


def worker_count(rows: int) -> int:
    """Return the number of processes that count so many rows; 0 for none beside this one.

    One CPU of this process is left to the process itself. A single worker would be no faster.
    """
    if rows < MIN_ROWS_FOR_WORKERS:
        return 0
    workers = min(available_cpus() - 1, MAX_WORKERS)
    return workers if workers > 1 else 0


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count_rows(
    rows: Rows,
    collator: Collator,
    *,
    report: Callable[[int], bool],
    workers: int | None = None,
) -> CountedRows | None:
    """Decode and count all rows, each once even if it is there several times.

    `report` gets the number of rows done and returns whether to continue. Returns None if it was
    stopped.
    """
    counted = CountedRows()
    each_once = replace(rows, indices=distinct_indices(rows))
    for row in iterate_counted(each_once, collator, decode=True, workers=workers):
        counted.add(row)
        if not report(counted.rows):
            return None
    return counted


def distinct_indices(rows: Rows) -> list[int]:
    """Return the indices of the rows in the dataset, each once."""
    return list(dict.fromkeys(rows.indices))


def remark_notes(remarked: Mapping[str, Sequence[str]], rows: int) -> Iterator[str]:
    """Yield a sentence for each remark: how many of `rows` rows have it, and the first of them."""
    for remark, row_ids in remarked.items():
        verb = "has" if len(row_ids) == 1 else "have"
        yield f"{len(row_ids):,} of {rows:,} rows {verb} {remark}: {first_rows(row_ids)}"


def first_rows(row_ids: Sequence[str]) -> str:
    """Return the first names of rows, and how many more there are."""
    more = len(row_ids) - NAMED_ROWS
    return ", ".join(row_ids[:NAMED_ROWS]) + (f" and {more:,} more" if more > 0 else "")
