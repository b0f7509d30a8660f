"""Is the process of a run there? `status.json` says which one it is and when it last spoke."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from enum import Enum

from deepsynth_tui.runs import atomic, oom_killer, process
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.oom_killer import KillCount

STALE_AFTER = 30.0
"""Seconds without a heartbeat after which a process counts as unresponsive."""
START_LIMIT = 120.0
"""Seconds that a new process may take to its first heartbeat (a cold disk, a slow import)."""
LOST_AFTER = 600.0
"""Seconds of silence after which a run elsewhere, whose process cannot be looked at, counts as
dead."""

STARTING = "starting"
"""Phase that the launcher writes, before the job speaks for itself."""
WAITING = "waiting"
"""Phase of a run that waits for another to be completed."""
ENDED = "ended"
"""Phase of the last status a job writes: its verdict is in the event log."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Who runs this run. Times in seconds since the epoch; `launched` is that of this process.

    `pid` is None until there is a process, `heartbeat` is None until the job itself has spoken.
    `kill_count` is that of the OOM killer when the job began.
    """

    launched: float
    host: str
    boot_id: str
    namespace: str
    pid: int | None = None
    process_start: str | None = None
    heartbeat: float | None = None
    phase: str = STARTING
    kill_count: KillCount | None = None


class Liveness(Enum):
    """What can be said of the process."""

    STARTING = "starting"
    ALIVE = "alive"
    UNRESPONSIVE = "unresponsive"
    """The process is there, but its heartbeat is stale."""
    DEAD = "dead"


def new_status(launched: float, pid: int | None = None) -> ProcessStatus:
    """The status of a process on this machine, or of none yet, without a heartbeat."""
    start = None if pid is None else process.process_start(pid)
    machine = process.hostname(), process.boot_id(), process.pid_namespace()
    return ProcessStatus(launched, *machine, pid=pid, process_start=start)


def own_status(launched: float) -> ProcessStatus:
    """The status of the calling process, without a heartbeat yet."""
    return replace(new_status(launched, os.getpid()), kill_count=oom_killer.read_kill_count())


def write_status(run: RunDirectory, status: ProcessStatus) -> None:
    """Replace `status.json` atomically. Raises OSError."""
    atomic.replace(run.status, json.dumps(asdict(status)).encode() + b"\n")


def read_status(run: RunDirectory) -> ProcessStatus | None:
    """What `status.json` says; None when the run was never launched, or when a power cut left
    the file without readable content, which says as little."""
    try:
        said = json.loads(run.status.read_bytes())
        count = said.pop("kill_count", None)
        return ProcessStatus(**said, kill_count=KillCount(**count) if count else None)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, AttributeError):
        return None


def is_remote(status: ProcessStatus) -> bool:
    """Whether the process is (or was) on another machine or in another container, where pids
    have another meaning. Another boot of a machine of this name is not elsewhere, but over."""
    if status.boot_id == process.boot_id():
        return status.namespace != process.pid_namespace()
    return status.host != process.hostname()


def is_alive_here(status: ProcessStatus) -> bool:
    """Whether exactly this process exists on this machine, so that it may be sent a signal."""
    return (
        status.pid is not None
        and status.boot_id == process.boot_id()
        and status.namespace == process.pid_namespace()
        and status.process_start is not None
        and process.process_start(status.pid) == status.process_start
    )


def was_oom_killed(status: ProcessStatus) -> bool | None:
    """Whether the kernel ended this process, which is gone, for lack of main memory; None where
    that cannot be known: on another machine, after a reboot, or where nothing counts it."""
    if is_remote(status) or status.boot_id != process.boot_id():
        return None
    return oom_killer.was_killed(status.kill_count, status.pid, status.launched)


def liveness(status: ProcessStatus, now: float, *, stale_after: float = STALE_AFTER) -> Liveness:
    """Judge `status` at the time `now` (seconds since the epoch).

    Where the process is, it is looked at itself; from elsewhere, where only the disk is shared,
    nothing but the heartbeat can tell.
    """
    spoken = status.launched if status.heartbeat is None else status.heartbeat
    silence = now - spoken
    if is_remote(status):
        if silence < stale_after:
            return Liveness.STARTING if status.heartbeat is None else Liveness.ALIVE
        return Liveness.UNRESPONSIVE if silence < LOST_AFTER else Liveness.DEAD
    if status.pid is None:
        return Liveness.STARTING if silence < stale_after else Liveness.DEAD
    if not is_alive_here(status):
        return Liveness.DEAD
    if status.heartbeat is None:
        return Liveness.STARTING if silence < START_LIMIT else Liveness.UNRESPONSIVE
    return Liveness.ALIVE if silence < stale_after else Liveness.UNRESPONSIVE
