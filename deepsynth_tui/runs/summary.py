"""One line about a run, for lists: cheap enough to compute for every run every few seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from deepsynth_tui.runs import batch_job, control, queue, remote_heartbeat
from deepsynth_tui.runs.batch_job import BatchState
from deepsynth_tui.runs.directory import (
    Identity,
    ListedRun,
    RunDirectory,
    RunUnreadable,
    folder_changed,
    read_identity,
    scan_runs,
)
from deepsynth_tui.runs.json_file import BadContent
from deepsynth_tui.runs.liveness import (
    GONE,
    STALE_AFTER,
    STARTING,
    WAITING,
    Liveness,
    ProcessStatus,
    StatusUnreadable,
    is_remote,
    liveness,
    read_status,
    was_oom_killed,
)
from deepsynth_tui.runs.oom_killer import explain_sigkill
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.supervisor_status import read_supervisor
from deepsynth_tui.runs.tail import EventTail

StateName = Literal[
    "queued",
    "starting",
    "waiting",
    "running",
    "stopping",
    "done",
    "stopped",
    "failed",
    "crashed",
    "unresponsive",
    "unreadable",
]
LIVE: frozenset[StateName] = frozenset(
    {"queued", "starting", "waiting", "running", "stopping", "unresponsive"}
)
"""States in which a process exists, or is about to, if only after other runs."""

_VERDICTS: dict[str, StateName] = {"completed": "done", "stopped": "stopped", "failed": "failed"}
_WINDOWS = (1 << 11, 1 << 14, 1 << 18, 1 << 22)
"""Bytes at the end of the log to read: more only if the summary is still incomplete."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at a glance. Times are in seconds since the epoch; None if the run has not reported.

    The state "unreadable" is that of a run whose files are damaged, of a wrong type, or not
    readable by this user; `message` says which. What can be read of it is there.

    `position` is the place in the queue, from 1, None of a run that does not wait there; one that
    `is_held` does not start before its release.

    `done`, `total` and `unit` are the progress of the present phase. `message` says why a run is
    in a state that needs attention. `killed_for_memory` of a crashed run is whether the kernel
    killed its process because main memory ran out, None if unknown.
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
    position: int | None = None
    is_held: bool = False

    @property
    def is_live(self) -> bool:
        """Whether a process exists, or is about to."""
        return self.state in LIVE

    def to_json(self) -> dict[str, object]:
        """Return all fields by name, as JSON types."""
        return {**asdict(self), "path": str(self.path)}


def summarize(
    run: RunDirectory, now: float | None = None, *, stale_after: float = STALE_AFTER
) -> RunSummary:
    """Summarize `run` at the time `now`, from the end of its log.

    Raises RunNotFound if the directory is gone.
    """
    now = time.time() if now is None else now
    try:
        identity = read_identity(run)
    except RunUnreadable as error:
        return _unreadable(ListedRun(run, folder_changed(run), None, error.reason))
    return _summarize(run, identity, now, stale_after)


def _summarize(
    run: RunDirectory,
    identity: Identity,
    now: float,
    stale_after: float,
    positions: Mapping[str, int] | None = None,
) -> RunSummary:
    try:
        if (entry := queue.waiting_entry(run)) is not None:
            return _queued(run, identity, entry, positions)
        status = read_status(run)
        if status is None:
            # Created and about to be launched, or its launcher died before that.
            is_new = abs(now - identity.created) < stale_after
            alive = Liveness.STARTING if is_new else Liveness.DEAD
        else:
            alive = liveness(status, now, stale_after=stale_after)
        submission = batch_job.read_submission(run)
        in_slurm = submission and batch_job.state_in_slurm(submission, status, alive, now)
        # Read after the status: once a process is gone, its log does not change any more.
        events = read_last_state(run, identity.kind)
        state = _state(run, status, alive, events)
        if in_slurm:
            state = _state_in_slurm(in_slurm, state, events)
    except BadContent as error:
        return _unreadable(ListedRun(run, identity.created, identity, str(error)))
    except (StatusUnreadable, RunUnreadable) as error:
        return _unreadable(ListedRun(run, identity.created, identity, error.reason))
    except OSError as error:
        reason = f"{Path(error.filename or run.path).name}: {error.strerror or error}"
        return _unreadable(ListedRun(run, identity.created, identity, reason))
    killed = was_oom_killed(status) if state == "crashed" and status is not None else None
    return RunSummary(
        id=run.id,
        path=run.path,
        kind=identity.kind,
        name=identity.name,
        state=state,
        phase=events.phase or (status.phase if status else ""),
        created=identity.created,
        updated=events.updated,
        pid=status.pid if status else None,
        done=events.progress.done,
        total=events.progress.total,
        unit=events.progress.unit,
        last_step=events.step,
        total_steps=events.total_steps,
        last_loss=events.last_loss,
        message=in_slurm.message if in_slurm else _message(state, events, status, killed, now),
        killed_for_memory=killed,
    )


def list_summaries(
    home: Path, now: float | None = None, *, archived: bool = False
) -> list[RunSummary]:
    """Summarize every run under `home`, newest first, each on its own.

    These are the runs that are not archived, or those that are. Raises RunUnreadable if the folder
    of all runs cannot be listed.
    """
    return list(iterate_summaries(home, now, archived=archived))


def iterate_summaries(
    home: Path, now: float | None = None, *, archived: bool = False
) -> Iterator[RunSummary]:
    """Yield the summaries of `list_summaries` as they are read."""
    positions = queue.positions(home)
    for listed in scan_runs(home):
        if os.path.lexists(listed.run.archived) != archived:
            continue
        if listed.identity is None:
            yield _unreadable(listed)
        else:
            moment = time.time() if now is None else now
            yield _summarize(listed.run, listed.identity, moment, STALE_AFTER, positions)


def _queued(
    run: RunDirectory,
    identity: Identity,
    entry: queue.QueueEntry,
    positions: Mapping[str, int] | None,
) -> RunSummary:
    """Summarize a run that waits in the queue; a resumed one keeps its last step and loss."""
    if positions is None:
        positions = queue.positions(entry.home)
    supervisor = read_supervisor(entry.home)
    reason = supervisor.reasons.get(run.id, "") if supervisor else ""
    events = read_last_state(run, identity.kind)
    return RunSummary(
        id=run.id,
        path=run.path,
        kind=identity.kind,
        name=identity.name,
        state="queued",
        phase="queued",
        created=identity.created,
        updated=events.updated,
        pid=None,
        done=events.progress.done,
        total=events.progress.total,
        unit=events.progress.unit,
        last_step=events.step,
        total_steps=events.total_steps,
        last_loss=events.last_loss,
        message=f"held: {entry.reason}" if entry.held else reason,
        position=positions.get(run.id),
        is_held=entry.held,
    )


def _unreadable(listed: ListedRun) -> RunSummary:
    run, identity = listed.run, listed.identity
    return RunSummary(
        id=run.id,
        path=run.path,
        kind=identity.kind if identity else "",
        name=identity.name if identity else run.id,
        state="unreadable",
        phase="",
        created=listed.created,
        updated=None,
        pid=None,
        done=0,
        total=None,
        unit="",
        last_step=None,
        total_steps=None,
        last_loss=None,
        message=listed.problem,
    )


def read_last_state(run: RunDirectory, kind: str) -> RunState:
    """Return the state according to the end of the log: the last values, not the first or all."""
    try:
        stat = run.events.stat()
    except (FileNotFoundError, NotADirectoryError):
        return RunState()
    return _fold_end(run, kind, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _fold_end(run: RunDirectory, kind: str, inode: int, size: int, changed: int) -> RunState:
    """Fold the end of a log. `inode`, `size` and `changed` key the cache to the file as it is."""
    state = RunState()
    for window in _WINDOWS:
        state = _fold_last(run.events, window)
        if window >= size or _is_complete(state, kind):
            break
    return state


def _fold_last(events: Path, window: int) -> RunState:
    """Fold the last bytes of a log, without what no summary shows: it is cached by the thousand."""
    state, tail = RunState(), EventTail(events, last=window)
    while batch := tail.poll():
        state = fold(state, batch)
    series = {name: points[-1:] for name, points in state.series.items()}
    rest = replace(state, series=MappingProxyType(series), series_widths=MappingProxyType({}))
    return replace(rest, phases=(), throughput_window=(), samples=(), warnings=(), first_page=())


def _is_complete(state: RunState, kind: str) -> bool:
    if kind == "training":
        has_steps = state.total_steps is not None or state.verdict is not None
        return state.last_loss is not None and has_steps
    return state.verdict is not None or state.progress.unit != ""


def _state(
    run: RunDirectory, status: ProcessStatus | None, alive: Liveness, events: RunState
) -> StateName:
    phase = STARTING if status is None else status.phase
    if phase in GONE or alive is Liveness.DEAD:
        is_current = events.ended is not None and _is_of_this_process(events, status)
        return _VERDICTS.get(events.verdict or "", "crashed") if is_current else "crashed"
    if alive is Liveness.UNRESPONSIVE:
        return "unresponsive"
    if control.pending_request(run):
        return "stopping"
    if alive is Liveness.STARTING or phase == STARTING:
        return "starting"
    return "waiting" if phase == WAITING else "running"


def _state_in_slurm(in_slurm: BatchState, seen: StateName, events: RunState) -> StateName:
    """Return the state of a run whose process says nothing; `seen` is that without Slurm."""
    match in_slurm.name:
        case "as seen":
            return seen
        case "ended":
            ended = _VERDICTS.get(events.verdict or "", "crashed")
            return ended if seen not in LIVE else "crashed"
        case "lost":
            return "crashed"
        case name:
            return name


def _is_of_this_process(events: RunState, status: ProcessStatus | None) -> bool:
    """Whether the last events are those of the process of `status`, not of an earlier one.

    The first event of a process voids the verdict before it. Numbers of events say which came
    first; the clock, which may have been set back, does so only in runs of earlier versions.
    """
    if status is None:
        return True
    if status.seq_before is not None:
        return events.last_seq > status.seq_before
    return events.ended is not None and events.ended >= status.launched


def _message(
    state: StateName,
    events: RunState,
    status: ProcessStatus | None,
    oom_killed: bool | None,
    now: float,
) -> str:
    if state == "failed" and events.error is not None:
        return events.error.message
    if state == "crashed" and status is None:
        return "It was never started"
    if state == "crashed" and oom_killed:
        return explain_sigkill("Its process", oom_killed)
    if state == "crashed" and status is not None and status.phase not in GONE and is_remote(status):
        return f"It counts as dead: {remote_heartbeat.describe(status, now)}"
    if state == "crashed":
        return "Its process ended without an error message; the end of the log may say why"
    if state == "unresponsive" and status is not None and is_remote(status):
        return f"{remote_heartbeat.describe(status, now)}, where alone process {status.pid} is seen"
    if state == "unresponsive" and status is not None:
        return f"Process {status.pid} on {status.host} exists but does not respond"
    if state == "waiting" or (state == "starting" and events.phase == STARTING):
        return events.phase_detail or _place(status)
    return _place(status) if state in ("starting", "running", "stopping") else ""


def _place(status: ProcessStatus | None) -> str:
    """Return the nodes of a batch job."""
    if status is None or not status.batch_job:
        return ""
    return f"on {status.nodes} (Slurm {status.batch_job})"
