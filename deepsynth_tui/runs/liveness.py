"""Whether the process of a run exists: `status.json` names it and holds its last heartbeat."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path

from deepsynth_tui.runs import atomic, oom_killer, process, remote_heartbeat
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.json_file import (
    CACHED_FILES,
    BadContent,
    Fields,
    read_object,
    settled_version,
)
from deepsynth_tui.runs.oom_killer import KillCount
from deepsynth_tui.slurm import commands as slurm

STALE_AFTER = 30.0
"""Seconds without a heartbeat after which a process counts as unresponsive."""
START_LIMIT = 120.0
"""Seconds that a new process may take to its first heartbeat (a cold disk, a slow import)."""
LOST_AFTER = 600.0
"""Seconds without a heartbeat after which a run on another machine, whose process cannot be
checked, counts as dead."""

STARTING = "starting"
"""Phase that the launcher writes, before the job's first heartbeat."""
WAITING = "waiting"
"""Phase of a run that waits for another to complete."""
ENDED = "ended"
"""Phase of the last status that a job writes; its verdict is in the event log."""
REQUEUED = "requeued"
"""In place of `ENDED` if the batch job is to be started again."""
GONE = frozenset({ENDED, REQUEUED})
"""Phases after which the process writes nothing more."""


class StatusUnreadable(RunError):
    """`status.json` exists but cannot be read, for `reason`: whether the run has a process is
    unknown."""

    def __init__(self, run: RunDirectory, reason: str) -> None:
        super().__init__(
            f"Whether {run.id} is running is unknown: {reason}",
            f"If it is not, delete {run.status} and resume the run",
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The process of a run. Times are in seconds since the epoch.

    `launched` is when this process was launched, not the first one of the run. `pid` is None before
    there is a process, `heartbeat` before the job's first one. `kill_count` is that of the OOM
    killer when the job started. Events up to `seq_before` are those of earlier processes; None in
    runs of earlier versions. `batch_job` is the id of the batch job that the process runs in, and
    `nodes` are its nodes as Slurm writes them (`n[1-2]`). `written` is when the file was stamped,
    which is no part of its content.
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
    seq_before: int | None = None
    batch_job: str | None = None
    nodes: str | None = None
    written: float | None = field(default=None, compare=False)


class Liveness(Enum):
    """What is known about the process."""

    STARTING = "starting"
    ALIVE = "alive"
    UNRESPONSIVE = "unresponsive"
    """The process exists, but its heartbeat is stale."""
    DEAD = "dead"


def new_status(
    launched: float, pid: int | None = None, *, seq_before: int | None = None
) -> ProcessStatus:
    """Return the status of a process on this machine, or of none yet, without a heartbeat."""
    start = None if pid is None else process.process_start(pid)
    machine = process.hostname(), process.boot_id(), process.pid_namespace()
    return ProcessStatus(launched, *machine, pid=pid, process_start=start, seq_before=seq_before)


def own_status(launched: float, *, seq_before: int | None = None) -> ProcessStatus:
    """Return the status of the calling process, without a heartbeat yet."""
    status = new_status(launched, os.getpid(), seq_before=seq_before)
    job = slurm.batch_job()
    return replace(
        status,
        kill_count=oom_killer.read_kill_count(),
        batch_job=job,
        nodes=os.environ.get("SLURM_JOB_NODELIST") if job else None,
    )


def write_status(run: RunDirectory, status: ProcessStatus, *, durable: bool = False) -> None:
    """Replace `status.json` atomically. Raises OSError."""
    content = {name: value for name, value in asdict(status).items() if name != "written"}
    atomic.replace(run.status, json.dumps(content).encode() + b"\n", durable=durable)


def read_status(run: RunDirectory) -> ProcessStatus | None:
    """Read `status.json`; None if the run was never launched. Fields of later versions are ignored.

    Raises StatusUnreadable if the file exists but is damaged or may not be read.
    """
    try:
        if version := settled_version(run.status):
            return _read_settled(run.status, version)
        return _parse_status(run.status)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BadContent as error:
        raise StatusUnreadable(run, str(error)) from error
    except OSError as error:
        raise StatusUnreadable(run, f"{run.status.name}: {error.strerror or error}") from error


# The list of runs reads every status every few seconds; that of an ended run stays as it is.
@lru_cache(maxsize=CACHED_FILES)
def _read_settled(path: Path, version: tuple[int, int, int]) -> ProcessStatus:
    return _parse_status(path)


def _parse_status(path: Path) -> ProcessStatus:
    status = _status_from_json(Fields(read_object(path), path.name))
    return replace(status, written=path.stat().st_mtime)


def _status_from_json(content: Fields) -> ProcessStatus:
    count = content.optional_object("kill_count")
    return ProcessStatus(
        launched=content.number("launched"),
        host=content.text("host"),
        boot_id=content.text("boot_id"),
        namespace=content.text("namespace"),
        pid=content.optional_integer("pid"),
        process_start=content.optional_text("process_start"),
        heartbeat=content.optional_number("heartbeat"),
        phase=content.text("phase"),
        kill_count=KillCount(count.text("path"), count.integer("kills")) if count else None,
        seq_before=content.optional_integer("seq_before"),
        batch_job=content.optional_text("batch_job"),
        nodes=content.optional_text("nodes"),
    )


def is_remote(status: ProcessStatus) -> bool:
    """Whether the process is (or was) on another machine or in another container, where pids have
    another meaning. An earlier boot of a machine with this name is not remote, but over."""
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


def ended_with_machine(status: ProcessStatus) -> bool:
    """Whether the process was working when this machine went down: in an earlier boot."""
    is_earlier_boot = status.boot_id != process.boot_id()
    return is_earlier_boot and status.host == process.hostname() and status.phase not in GONE


def was_oom_killed(status: ProcessStatus) -> bool | None:
    """Return whether the kernel killed this process, which is gone, because memory ran out.

    None if that cannot be determined: on another machine, after a reboot, or without a counter.
    """
    if is_remote(status) or status.boot_id != process.boot_id():
        return None
    return oom_killer.was_killed(status.kill_count, status.pid, status.launched)


def liveness(status: ProcessStatus, now: float, *, stale_after: float = STALE_AFTER) -> Liveness:
    """Judge `status` at the time `now`, in seconds since the epoch.

    On the machine of the process, the process itself is checked; elsewhere, where only the disk is
    shared, only the heartbeat, which may be seen late.
    """
    last_heartbeat = status.launched if status.heartbeat is None else status.heartbeat
    silence = now - last_heartbeat
    if is_remote(status):
        silence = remote_heartbeat.silence(status, now)
        if silence < stale_after + remote_heartbeat.NFS_SECONDS:
            return Liveness.STARTING if status.heartbeat is None else Liveness.ALIVE
        return Liveness.UNRESPONSIVE if silence < LOST_AFTER else Liveness.DEAD
    if status.pid is None:
        return Liveness.STARTING if silence < stale_after else Liveness.DEAD
    if not is_alive_here(status):
        return Liveness.DEAD
    if status.heartbeat is None:
        return Liveness.STARTING if silence < START_LIMIT else Liveness.UNRESPONSIVE
    return Liveness.ALIVE if silence < stale_after else Liveness.UNRESPONSIVE
