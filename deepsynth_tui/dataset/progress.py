"""How far a dataset is, for whoever listens, and what the listener asks for."""

from __future__ import annotations

from typing import Protocol

UNIT = "documents"


class StopRequested(Exception):
    """The listener asked for it: whatever is under way ends here."""


class JobLike(Protocol):
    """What a pipeline reports to; `runs.job.Job` is one."""

    def phase(self, name: str, detail: str = "") -> None:
        """Say that a new part of the work begins."""
        ...

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Say how far the work is; `total` None where nobody knows."""
        ...

    def warning(self, message: str) -> None:
        """Say what a person should know."""
        ...

    def result(self, **fields: object) -> None:
        """Say what is left at the end."""
        ...

    def stop_requested(self) -> str | None:
        """Return "stop", "stop-after-checkpoint" (here: after a shard) or None."""
        ...


class ProgressTracker:
    """Tells `listener` how many of `total` documents are done, `finished` of them in shards."""

    def __init__(self, listener: JobLike, total: int | None, finished: int) -> None:
        self._listener = listener
        self._total = total
        self._finished = finished

    def look(self, under_way: int) -> bool:
        """Say how far the work is, `under_way` documents in shards that are not finished; return
        whether no other shard is to be begun. Raises `StopRequested` where none is to be finished.

        A shard that has to be made again takes its documents back.
        """
        self._listener.progress(self._finished + under_way, self._total, UNIT)
        request = self._listener.stop_requested()
        if request == "stop":
            raise StopRequested
        return request is not None

    def finished(self, documents: int) -> None:
        """So many documents more are in finished shards."""
        self._finished += documents

    def all_finished(self) -> None:
        """The source is at its end."""
        self._listener.progress(self._finished, self._finished, UNIT)
