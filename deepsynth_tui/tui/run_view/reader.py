"""Everything a screen shows of one run, read from its directory. Has no Textual in it: it works
in a thread, and what it hands over is frozen.

Each `poll` reads what was appended since the last one, and gives a `Snapshot` only when there is
something new to show; heartbeats and the passing of seconds are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import (
    Identity,
    RunDirectory,
    RunNotFound,
    list_runs,
    read_identity,
)
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import Phase, RunState, eta_seconds
from deepsynth_tui.runs.summary import WAITING, RunSummary, summarize
from deepsynth_tui.runs.tail import EventTail
from deepsynth_tui.tui.run_view import labels
from deepsynth_tui.tui.run_view.console_feed import ConsoleFeed, ConsoleLines

Clock = Callable[[], float]
_BATCH = 1 << 20
_LOOK_FOR_NEXT = 2.0
"""Seconds between two looks for a run that waits for this one."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `console` is what was printed since the snapshot before; `elapsed` and
    `eta` are in words, "" where they are not known."""

    run: RunDirectory
    identity: Identity
    summary: RunSummary
    state: RunState
    request: control.Request | None
    elapsed: str
    eta: str
    predecessor: RunSummary | None
    successor: RunDirectory | None
    console: ConsoleLines

    def differs(self, other: Snapshot | None) -> bool:
        """Whether a screen that shows `other` has to be repainted."""
        if other is None or self.console.lines or self.console.skipped:
            return True
        # `state` is only made anew by new events; comparing its series would cost their length.
        quiet = replace(other, state=self.state, console=self.console)
        return (
            self != quiet
            or self.state is not other.state
            or self.console.unfinished != other.console.unfinished
        )


class RunReader:
    """Reads one run. Not thread-safe: it belongs to the thread that polls it."""

    def __init__(self, run: RunDirectory, home: Path, *, clock: Clock = time.time) -> None:
        """`home` is where runs are looked for that wait for this one."""
        self._run = run
        self._home = home
        self._clock = clock
        self._identity = read_identity(run)
        self._events = EventTail(run.events)
        self._console = ConsoleFeed(run.console)
        self._state = RunState()
        self._last: Snapshot | None = None
        self._successor: RunDirectory | None = None
        self._next_look = 0.0

    def poll(self) -> Snapshot | None:
        """What there is to show now, or None when it is what the last snapshot said.

        Raises RunNotFound when the directory is gone, OSError when it cannot be read.
        """
        now = self._clock()
        # First the summary, then the events: they are never older than the state it names.
        summary = summarize(self._run, now)
        console = self._console.poll()
        while events := self._events.poll(_BATCH):
            self._state = fold(self._state, events)
        snapshot = Snapshot(
            run=self._run,
            identity=self._identity,
            summary=summary,
            state=self._state,
            request=control.pending_request(self._run) if summary.is_live else None,
            elapsed=_elapsed(self._state, summary, now),
            eta=_eta(self._state, summary, now),
            predecessor=self._predecessor(summary, now),
            successor=self._find_successor(),
            console=console,
        )
        if not snapshot.differs(self._last):
            return None
        self._last = snapshot
        return snapshot

    def _predecessor(self, summary: RunSummary, now: float) -> RunSummary | None:
        after = self._identity.after
        if after is None or summary.state != "waiting":
            return None
        try:
            return summarize(after, now)
        except RunNotFound:  # deleted; the job that waits for it says so itself
            return None

    def _find_successor(self) -> RunDirectory | None:
        """The oldest run that names this one as the one it comes after."""
        if self._successor is None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_NEXT
            for run in list_runs(self._home):
                after = _after(run)
                if after is not None and after.id == self._run.id:
                    self._successor = run
        return self._successor


def _after(run: RunDirectory) -> RunDirectory | None:
    try:
        return read_identity(run).after
    except RunNotFound:  # deleted since the scan
        return None


def _elapsed(state: RunState, summary: RunSummary, now: float) -> str:
    """How long it has been at work: not counted are the wait for another run, and the time
    between two processes of a run that was resumed."""
    if state.started is None:
        return ""
    until = now if summary.is_live else (state.updated or now)
    spans = ((phase.ended or until) - phase.started for phase in state.phases if _works(phase))
    seconds = sum(spans)
    return labels.elapsed(seconds) if summary.is_live else labels.duration(seconds)


def _works(phase: Phase) -> bool:
    return phase.name != WAITING


def _eta(state: RunState, summary: RunSummary, now: float) -> str:
    seconds = eta_seconds(state)
    if summary.state != "running" or seconds is None or not seconds or state.updated is None:
        return ""
    return labels.remaining(max(0.0, seconds - max(0.0, now - state.updated)))
