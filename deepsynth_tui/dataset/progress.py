"""Progress reports to the job, and its requests to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

UNIT = "documents"


class StopRequested(Exception):
    """The job was asked to stop; work in progress is abandoned."""


class JobLike(Protocol):
    """What the pipeline needs of a job; see `runs.job.Job`."""

    def phase(self, name: str, detail: str = "") -> None:
        """Report that a new phase begins."""
        ...

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Report progress; `total` is None if it is unknown."""
        ...

    def drawn(self, *, documents: int, pages: int, rows: int, left_out: Mapping[str, int]) -> None:
        """Report what is written so far, and the number of documents left out by reason."""
        ...

    def first_page(self, lines: Sequence[str]) -> None:
        """Report the first page, as lines of braille."""
        ...

    def warning(self, message: str) -> None:
        """Report a warning to the user."""
        ...

    def result(self, **fields: object) -> None:
        """Report results of the job."""
        ...

    def stop_requested(self) -> str | None:
        """Return "stop", "stop-after-checkpoint" (here: after the current shards) or None."""
        ...


class ProgressTracker:
    """Reports to `job` how many of `total` documents are done.

    `finished` documents are already in finished shards.
    """

    def __init__(self, job: JobLike, total: int | None, finished: int) -> None:
        self._job = job
        self._total = total
        self._finished = finished

    def report_and_check_stop(self, in_progress: int) -> bool:
        """Report progress and return whether no new shard may be started.

        `in_progress` counts the documents drawn for unfinished shards. It drops when a shard has
        to be written again.

        Raises:
            StopRequested: unfinished shards are to be abandoned.
        """
        self._job.progress(self._finished + in_progress, self._total, UNIT)
        request = self._job.stop_requested()
        if request == "stop":
            raise StopRequested
        return request is not None

    def add_finished(self, documents: int) -> None:
        """Count the documents of a finished shard."""
        self._finished += documents

    def report_end(self) -> None:
        """Report that all documents are done, now that their number is known."""
        self._job.progress(self._finished, self._finished, UNIT)
