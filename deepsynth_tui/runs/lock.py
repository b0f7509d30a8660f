"""The lock of a run: its job holds it for its life, so that two never write into one run.

The launcher takes the lock and the job inherits it, which leaves no moment without an owner: the
lock of flock(2) belongs to the open file, not to the process, and ends with the last descriptor of
it. Forked children of a job close theirs, so that a worker left behind does not keep the lock.

On a file system without locks (some network file systems), `is_enforced` is false and only the
identity in `status.json` tells whether a job exists; see `liveness`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from types import TracebackType
from typing import Self

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import LaunchError
from deepsynth_tui.runs.liveness import (
    GONE,
    Liveness,
    ProcessStatus,
    StatusUnreadable,
    is_alive_here,
    is_remote,
    liveness,
    read_status,
)
from deepsynth_tui.slurm import commands as slurm

DESCRIPTOR_VARIABLE = "DEEPSYNTH_RUN_LOCK"
"""Environment variable that tells a job the descriptor of the lock it inherits."""
END_SECONDS = 2.0
"""How long to wait for the lock of a process that no longer works on the run."""
BATCH_SECONDS = 150.0
"""The same for a batch job: its former node may have died, and NFSv4 keeps the locks of a client
for its lease, 90 s by default (RFC 7530, section 9.5)."""
RETRY_SECONDS = 0.01
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class RunBusy(LaunchError):
    """The run has a job already, or another process is about to start one."""


class RunLock:
    """The lock of one run. Leaving it as a context releases it."""

    def __init__(self, file: int, *, is_enforced: bool) -> None:
        self.file = file
        self.is_enforced = is_enforced
        """Whether the file system has locks, so that no other process can hold this one."""
        _held.add(self)

    def release(self) -> None:
        """Give the lock back, in every process that has inherited it."""
        if self.is_enforced and self in _held:
            fcntl.flock(self.file, fcntl.LOCK_UN)
        self.hand_over()

    def hand_over(self) -> None:
        """Leave the lock to the processes that have inherited it."""
        if self in _held:
            _held.remove(self)
            os.close(self.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


_held: set[RunLock] = set()


def claim(run: RunDirectory) -> RunLock:
    """Take the lock of `run` and check that no job works on it without one: a job of an earlier
    version, or on a file system without locks.

    Raises:
        RunBusy: The run has a job.
        StatusUnreadable: There are no locks, and `status.json` does not tell either.
        LaunchError: The lock file cannot be created or opened.
    """
    try:
        run_lock = _acquire(run)
    except OSError as error:
        raise not_writable(run, error) from error
    try:
        status = _status_if_readable(run) if run_lock.is_enforced else read_status(run)
        if status is not None and _has_job(status, run_lock):
            raise _busy(run, status)
    except BaseException:
        run_lock.release()
        raise
    return run_lock


def not_writable(run: RunDirectory, error: OSError) -> LaunchError:
    """Return the error of a run whose folder cannot be written."""
    return LaunchError(
        f"Cannot write into {run.path}: {error.strerror or error}",
        "Free some disk space, or make the folder writable",
    )


def _status_if_readable(run: RunDirectory) -> ProcessStatus | None:
    try:
        return read_status(run)
    except StatusUnreadable:
        return None


def _has_job(status: ProcessStatus, run_lock: RunLock) -> bool:
    """Whether a job works on the run without holding its lock."""
    if status.pid is None and run_lock.is_enforced and not is_remote(status):
        return False  # a launcher that died before it had started a process
    return status.pid != os.getpid() and _is_working(status)


def _is_working(status: ProcessStatus) -> bool:
    if status.phase in GONE or _is_earlier_start(status):
        return False
    return liveness(status, time.time()) is not Liveness.DEAD


def _is_earlier_start(status: ProcessStatus) -> bool:
    """Whether the process is that of an earlier start of the batch job that this process runs in.

    Slurm starts a job again only when it has given up its former nodes; the last heartbeat of
    another machine may be fresh then.
    """
    is_own_job = status.batch_job is not None and status.batch_job == slurm.batch_job()
    return is_own_job and not is_alive_here(status)


def _busy(run: RunDirectory, status: ProcessStatus | None) -> RunBusy:
    process = f" (pid {status.pid})" if status is not None and status.pid is not None else ""
    return RunBusy(f"{run.id} is already running{process}", "Attach to it instead")


def _acquire(run: RunDirectory) -> RunLock:
    """Take the lock.

    A process that has written its end, or that was killed, may hold it for a moment longer: the
    threads of a process do not exit at once.
    """
    deadline = time.monotonic() + (BATCH_SECONDS if slurm.batch_job() else END_SECONDS)
    while True:
        file = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        except OSError as error:
            if error.errno in WITHOUT_LOCKS:
                return RunLock(file, is_enforced=False)
            os.close(file)
            raise
        else:
            if _is_file_of(run, file):
                return RunLock(file, is_enforced=True)
            os.close(file)  # deleted and made again meanwhile: lock the present file
            continue
        status = _status_if_readable(run)
        is_working = status is not None and status.pid is not None and _is_working(status)
        if is_working or time.monotonic() >= deadline:
            raise _busy(run, status)
        time.sleep(RETRY_SECONDS)


def inherited(run: RunDirectory) -> RunLock | None:
    """Return the lock of `run` that the launcher has left to this process, if it has."""
    text = os.environ.pop(DESCRIPTOR_VARIABLE, "")
    if not text.isdecimal() or not _is_file_of(run, int(text)):
        return None
    file = int(text)
    os.set_inheritable(file, False)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held already: tells whether there is one
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return RunLock(file, is_enforced=False)
    return RunLock(file, is_enforced=True)


def _is_file_of(run: RunDirectory, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), run.lock.stat())
    except OSError:  # not a descriptor of this process, or the file is gone
        return False


def _close_in_child() -> None:
    for run_lock in _held:
        os.close(run_lock.file)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
