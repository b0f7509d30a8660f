"""One line about a run, for lists: cheap enough to be asked of every run every few seconds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, list_runs, read_identity
from deepsynth_tui.runs.liveness import (
    ENDED,
    STALE_AFTER,
    STARTING,
    WAITING,
    Liveness,
    ProcessStatus,
    liveness,
    read_status,
    was_oom_killed,
)
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail

StateName = Literal[
    "starting",
    "waiting",
    "running",
    "stopping",
    "done",
    "stopped",
    "failed",
    "crashed",
    "unresponsive",
]
LIVE: frozenset[StateName] = frozenset(
    {"starting", "waiting", "running", "stopping", "unresponsive"}
)
"""States in which there is (or is about to be) a process."""

KILLED_FOR_MEMORY = (
    "The kernel ended its process: the machine or its container ran out of main memory"
)

_VERDICTS: dict[str, StateName] = {"completed": "done", "stopped": "stopped", "failed": "failed"}
_WINDOWS = (1 << 14, 1 << 18, 1 << 62)
"""Bytes of the log's end to look at, more only while they do not say enough."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at a glance. Times in seconds since the epoch; None where the run has not said.

    `done`, `total` and `unit` are the progress of the present phase. `message` says why a run is
    in a state that needs a person. `killed_for_memory` of a crashed one: whether the kernel ended
    its process because main memory ran out, None where that cannot be known.
    """

    id: str
    path: Path
    kind: str
    name: str
    state: StateName
    phase: str
    created: float
    updated: float | None
    pid: int | None
    done: int
    total: int | None
    unit: str
    last_step: int | None
    total_steps: int | None
    last_loss: float | None
    message: str
    killed_for_memory: bool | None = None

    @property
    def is_live(self) -> bool:
        """Whether there is, or is about to be, a process."""
        return self.state in LIVE

    def to_json(self) -> dict[str, object]:
        """All fields under their names, in JSON's types."""
        return {**asdict(self), "path": str(self.path)}


def summarize(
    run: RunDirectory, now: float | None = None, *, stale_after: float = STALE_AFTER
) -> RunSummary:
    """Look at `run` at the time `now`. Reads the end of the log only. Raises RunNotFound when the
    directory is gone."""
    now = time.time() if now is None else now
    who = read_identity(run)
    status = read_status(run)
    if status is None:
        # Created and about to be launched, or its launcher died in between.
        alive = Liveness.STARTING if now - who.created < stale_after else Liveness.DEAD
    else:
        alive = liveness(status, now, stale_after=stale_after)
    # Only now: of a process that is gone, the verdict is in the log if it ever will be.
    events = read_last_state(run, who.kind)
    state = _state(run, status, alive, events)
    killed = was_oom_killed(status) if state == "crashed" and status is not None else None
    return RunSummary(
        id=run.id,
        path=run.path,
        kind=who.kind,
        name=who.name,
        state=state,
        phase=events.phase or (status.phase if status else ""),
        created=who.created,
        updated=events.updated,
        pid=status.pid if status else None,
        done=events.progress.done,
        total=events.progress.total,
        unit=events.progress.unit,
        last_step=events.step,
        total_steps=events.total_steps,
        last_loss=events.last_loss,
        message=KILLED_FOR_MEMORY if killed else _message(state, events, status),
        killed_for_memory=killed,
    )


def list_summaries(home: Path, now: float | None = None) -> list[RunSummary]:
    """Every run under `home`, newest first; one deleted in this moment is left out."""
    found: list[RunSummary] = []
    for run in list_runs(home):
        try:
            found.append(summarize(run, now))
        except RunNotFound:
            continue
    return found


def read_last_state(run: RunDirectory, kind: str) -> RunState:
    """What the end of the log says: the last of everything, but not the first or the whole."""
    try:
        stat = run.events.stat()
    except (FileNotFoundError, NotADirectoryError):
        return RunState()
    return _folded_end(run.events, kind, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _folded_end(events: Path, kind: str, inode: int, size: int, changed: int) -> RunState:
    """The file's inode, size and time of change are there to make this forget an old answer."""
    state = RunState()
    for window in _WINDOWS:
        state = RunState()
        tail = EventTail(events, last=window)
        while batch := tail.poll():
            state = fold(state, batch)
        if window >= size or _says_enough(state, kind):
            break
    # Kept by the thousand: without what no summary shows.
    series = {name: points[-1:] for name, points in state.series.items()}
    return replace(state, series=series, phases=(), pace=(), samples=(), warnings=())


def _says_enough(state: RunState, kind: str) -> bool:
    if kind == "training":
        return state.last_loss is not None and state.total_steps is not None
    return state.verdict is not None or state.progress.unit != ""


def _state(
    run: RunDirectory, status: ProcessStatus | None, alive: Liveness, events: RunState
) -> StateName:
    phase = STARTING if status is None else status.phase
    if phase == ENDED or alive is Liveness.DEAD:
        # A verdict from before this launch is that of an earlier process.
        launched = status.launched if status is not None else 0.0
        said = events.ended is not None and events.ended >= launched
        return _VERDICTS.get(events.verdict or "", "crashed") if said else "crashed"
    if alive is Liveness.UNRESPONSIVE:
        return "unresponsive"
    if control.pending_request(run):
        return "stopping"
    if alive is Liveness.STARTING or phase == STARTING:
        return "starting"
    return "waiting" if phase == WAITING else "running"


def _message(state: StateName, events: RunState, status: ProcessStatus | None) -> str:
    if state == "failed" and events.error is not None:
        return events.error.message
    if state == "crashed" and status is None:
        return "It was never started"
    if state == "crashed":
        return "Its process ended without a word; the end of the log may say why"
    if state == "unresponsive" and status is not None:
        return f"Process {status.pid} on {status.host} is there but silent"
    if state == "waiting":
        return events.phase_detail
    return ""
