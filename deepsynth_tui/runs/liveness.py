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
class Status:
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


def status_here(launched: float, pid: int | None = None) -> Status:
    """The status of a process on this machine, or of none yet, without a heartbeat."""
    start = None if pid is None else process.start_of(pid)
    machine = process.host(), process.boot_id(), process.namespace()
    return Status(launched, *machine, pid=pid, process_start=start)


def own_status(launched: float) -> Status:
    """The status of the calling process, without a heartbeat yet."""
    return replace(status_here(launched, os.getpid()), kill_count=oom_killer.kill_count())


def write_status(run: RunDirectory, status: Status) -> None:
    """Replace `status.json` atomically. Raises OSError."""
    atomic.replace(run.status, json.dumps(asdict(status)).encode() + b"\n")


def read_status(run: RunDirectory) -> Status | None:
    """What `status.json` says; None when the run was never launched, or when a power cut left
    the file without readable content, which says as little."""
    try:
        said = json.loads(run.status.read_bytes())
        count = said.pop("kill_count", None)
        return Status(**said, kill_count=KillCount(**count) if count else None)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, AttributeError):
        return None


def is_elsewhere(status: Status) -> bool:
    """Whether the process is (or was) on another machine or in another container, where pids
    have another meaning. Another boot of a machine of this name is not elsewhere, but over."""
    if status.boot_id == process.boot_id():
        return status.namespace != process.namespace()
    return status.host != process.host()


def is_here(status: Status) -> bool:
    """Whether exactly this process exists on this machine, so that it may be sent a signal."""
    return (
        status.pid is not None
        and status.boot_id == process.boot_id()
        and status.namespace == process.namespace()
        and status.process_start is not None
        and process.start_of(status.pid) == status.process_start
    )


def killed_for_memory(status: Status) -> bool | None:
    """Whether the kernel ended this process, which is gone, for lack of main memory; None where
    that cannot be known: on another machine, after a reboot, or where nothing counts it."""
    if is_elsewhere(status) or status.boot_id != process.boot_id():
        return None
    return oom_killer.killed(status.kill_count, status.pid, status.launched)


def liveness(status: Status, now: float, *, stale_after: float = STALE_AFTER) -> Liveness:
    """Judge `status` at the time `now` (seconds since the epoch).

    Where the process is, it is looked at itself; from elsewhere, where only the disk is shared,
    nothing but the heartbeat can tell.
    """
    spoken = status.launched if status.heartbeat is None else status.heartbeat
    silence = now - spoken
    if is_elsewhere(status):
        if silence < stale_after:
            return Liveness.STARTING if status.heartbeat is None else Liveness.ALIVE
        return Liveness.UNRESPONSIVE if silence < LOST_AFTER else Liveness.DEAD
    if status.pid is None:
        return Liveness.STARTING if silence < stale_after else Liveness.DEAD
    if not is_here(status):
        return Liveness.DEAD
    if status.heartbeat is None:
        return Liveness.STARTING if silence < START_LIMIT else Liveness.UNRESPONSIVE
    return Liveness.ALIVE if silence < stale_after else Liveness.UNRESPONSIVE
