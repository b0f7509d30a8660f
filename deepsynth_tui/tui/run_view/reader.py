"""Reads everything a screen shows of one run from its directory.

Runs in a thread, without Textual. Each poll reads what was appended since the last one and returns
an immutable snapshot only if there is something new to show; heartbeats and the passing of seconds
are not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import (
    Identity,
    RunDirectory,
    RunDirectoryError,
    list_runs,
    read_identity,
)
from deepsynth_tui.runs.state import RunState, eta_seconds
from deepsynth_tui.runs.state_reader import StateReader
from deepsynth_tui.runs.summary import WAITING, RunSummary, summarize
from deepsynth_tui.tui.run_view.comparable import ReferenceRun, last_comparable_run
from deepsynth_tui.tui.run_view.console_feed import ConsoleFeed, ConsoleLines
from deepsynth_tui.units import format_duration, format_elapsed, format_remaining

Clock = Callable[[], float]
READ_SECONDS = 0.2
"""How long one poll reads a long log before it returns what it has."""
SUCCESSOR_INTERVAL = 2.0
"""Seconds between two searches for a run that waits for this one."""


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run at one moment.

    Attributes:
        request: Pending stop request.
        elapsed: Working time as text, empty if unknown.
        eta: Remaining time as text, empty if unknown.
        end_clock: The clock time of the end as text, empty if unknown.
        predecessor: The run that this one waits for.
        successor: The run that waits for this one.
        reference: The last comparable run, None if there is none.
        result_bytes: Size of what an ended run made, None if that is unknown or nothing.
        console: What was printed since the previous snapshot.
        percent_read: How much of a long log is read while `state` is a preview, else None.
    """

    run: RunDirectory
    identity: Identity
    summary: RunSummary
    state: RunState
    request: control.Request | None
    elapsed: str
    eta: str
    end_clock: str
    predecessor: RunSummary | None
    successor: RunDirectory | None
    reference: ReferenceRun | None
    result_bytes: int | None
    console: ConsoleLines
    percent_read: int | None = None

    def differs(self, other: RunSnapshot | None) -> bool:
        """Return whether a screen that shows `other` has to be repainted."""
        if other is None or self.console.lines or self.console.skipped:
            return True
        # New events always make a new `state`; comparing its series would take time.
        rest = replace(other, state=self.state, console=self.console)
        return (
            self != rest
            or self.state is not other.state
            or self.console.unfinished != other.console.unfinished
        )


class RunReader:
    """Reads one run. Not thread-safe: use it in one thread only.

    Args:
        run: The run to read.
        home: Folder to search for runs that wait for this one.
        clock: Current time in seconds since the epoch.
    """

    def __init__(self, run: RunDirectory, home: Path, *, clock: Clock = time.time) -> None:
        self._run = run
        self._home = home
        self._clock = clock
        self._identity = read_identity(run)
        self._reader = StateReader(run)
        self._console = ConsoleFeed(run.console)
        self._last: RunSnapshot | None = None
        self._successor: RunDirectory | None = None
        self._reference: ReferenceRun | None = None
        self._has_searched_reference = False
        self._result_sizes: dict[Path, int] = {}
        self._next_search = 0.0

    @property
    def is_behind(self) -> bool:
        """Whether the last poll left a part of the log unread."""
        return self._reader.is_behind

    def poll(self) -> RunSnapshot | None:
        """Return a snapshot, or None if nothing changed since the last one.

        Raises:
            RunNotFound: The directory was deleted.
            OSError: The directory cannot be read.
        """
        now = self._clock()
        # The summary first: the events read after it are never older than the state in it.
        summary = summarize(self._run, now)
        console = ConsoleLines()
        try:
            console = self._console.poll()
            self._reader.poll(READ_SECONDS)
        except OSError:
            if summary.state != "unreadable":  # else the summary says why
                raise
        state = self._reader.state
        eta, end_clock = _eta(state, summary, now)
        snapshot = RunSnapshot(
            run=self._run,
            identity=self._identity,
            summary=summary,
            state=state,
            request=control.pending_request(self._run) if summary.is_live else None,
            elapsed=_elapsed(state, summary, now),
            eta=eta,
            end_clock=end_clock,
            predecessor=self._predecessor(summary, now),
            successor=self._find_successor(),
            reference=self._reference,
            result_bytes=self._result_bytes(state, summary),
            console=console,
            percent_read=self._reader.percent_read,
        )
        if not snapshot.differs(self._last):
            return None
        self._last = snapshot
        return snapshot

    def search_reference(self) -> None:
        """Search the last comparable run, once; it is part of the next snapshot.

        Reads the log of that run: call it after the first snapshot is on screen.
        """
        if not self._has_searched_reference:
            self._has_searched_reference = True
            self._reference = last_comparable_run(self._home, self._run, self._identity)

    def _result_bytes(self, state: RunState, summary: RunSummary) -> int | None:
        folder = state.results.get("path" if self._identity.kind == "training" else "dataset")
        if summary.is_live or not isinstance(folder, str):
            return None
        path = Path(folder)
        if path not in self._result_sizes:
            self._result_sizes[path] = _folder_bytes(path)
        return self._result_sizes[path]

    def _predecessor(self, summary: RunSummary, now: float) -> RunSummary | None:
        after = self._identity.after
        if after is None or summary.state != "waiting":
            return None
        try:
            return summarize(after, now)
        except RunDirectoryError:  # deleted; the waiting job reports that itself
            return None

    def _find_successor(self) -> RunDirectory | None:
        """Return the oldest run that waits for this one."""
        if self._successor is None and time.monotonic() >= self._next_search:
            self._next_search = time.monotonic() + SUCCESSOR_INTERVAL
            for run in list_runs(self._home):
                after = _predecessor_of(run)
                if after is not None and after.id == self._run.id:
                    self._successor = run
        return self._successor


def _predecessor_of(run: RunDirectory) -> RunDirectory | None:
    try:
        return read_identity(run).after
    except RunDirectoryError:  # deleted since the scan, or damaged
        return None


def _elapsed(state: RunState, summary: RunSummary, now: float) -> str:
    """Return the working time, without waiting for another run and pauses before a resume."""
    if state.started is None:
        return ""
    until = now if summary.is_live else (state.updated or now)
    phases = (phase for phase in state.phases if phase.name != WAITING)
    seconds = sum((phase.ended or until) - phase.started for phase in phases)
    return format_elapsed(seconds) if summary.is_live else format_duration(seconds)


def _eta(state: RunState, summary: RunSummary, now: float) -> tuple[str, str]:
    """Return the time left and the clock time of the end, empty if unknown."""
    seconds = eta_seconds(state)
    if summary.state != "running" or seconds is None or not seconds or state.updated is None:
        return "", ""
    end = state.updated + seconds
    return format_remaining(max(0.0, end - max(now, state.updated))), clock_time(end, now)


def clock_time(moment: float, now: float) -> str:
    """Return the local clock time of a moment, with the day unless it is today."""
    then, today = time.localtime(moment), time.localtime(now)
    is_today = then[:3] == today[:3]
    return time.strftime("%H:%M" if is_today else "%a %H:%M", then)


def _folder_bytes(folder: Path) -> int:
    """Return the size of all files in a folder; those that vanish meanwhile are not counted."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.lstat().st_size if path.is_file() else 0
    return size
