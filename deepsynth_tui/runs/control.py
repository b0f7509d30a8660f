"""Requests to a job: files in its `control/`, and signals if it does not react."""

from __future__ import annotations

import os
import signal
import time
from enum import Enum
from typing import Literal

from deepsynth_tui.runs import atomic, queue
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.liveness import (
    ENDED,
    Liveness,
    ProcessStatus,
    is_alive_here,
    is_remote,
    liveness,
    read_status,
)
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.private_folder import PRIVATE

Request = Literal["stop", "stop-after-checkpoint"]
REQUESTS: tuple[Request, ...] = ("stop", "stop-after-checkpoint")
"""File names of the requests, the strongest first."""
_POLL_SECONDS = 0.1


class NotStopped(RunError):
    """A run could not be stopped."""


class NotRunning(NotStopped):
    """The run has no process to stop."""


class StopOutcome(Enum):
    """What it took to end a job."""

    EXITED = "exited"
    """It ended by itself within the grace period."""
    TERMINATED = "terminated"
    """It took SIGTERM."""
    KILLED = "killed"
    """It took SIGKILL: work since the last checkpoint or shard is lost."""


def request_stop(run: RunDirectory, *, now: bool) -> None:
    """Ask the job to stop, `now` or after its next checkpoint, and return at once.

    A run that waits in the queue is taken out of it. A request to stop now replaces an earlier,
    weaker one. Raises NotRunning if there is no job, and NotStopped if this user may not stop it.
    """
    if _leaves_queue(run):
        return
    if _running_status(run).phase == ENDED:
        raise _not_running(run)
    _write_request("stop" if now else "stop-after-checkpoint", run)


def pending_request(run: RunDirectory) -> Request | None:
    """Return the strongest request that the job has not yet fulfilled."""
    return next((name for name in REQUESTS if (run.control / name).exists()), None)


def clear_requests(run: RunDirectory) -> None:
    """Remove all requests. The launcher does so for a new process, a job when it ends."""
    for name in REQUESTS:
        (run.control / name).unlink(missing_ok=True)


def stop_and_wait(run: RunDirectory, *, grace: float) -> StopOutcome:
    """Stop the job and return when its process is gone. A run that waits in the queue is taken out
    of it.

    It has `grace` seconds after the request and as many after a SIGTERM, which interrupts a body
    that did not look at the request. Then its whole process group is killed, and the event log
    records it. Signals are sent only to exactly the process that the status names.

    Raises:
        NotRunning: It ended before.
        NotStopped: It runs on another machine and does not react, survives even SIGKILL, or is
            another user's.
    """
    if _leaves_queue(run):
        return StopOutcome.EXITED
    status = _running_status(run)
    _write_request("stop", run)
    if _wait_until_gone(run, grace):
        return StopOutcome.EXITED
    status = read_status(run) or status
    if is_remote(status):
        raise NotStopped(
            f"{run.id} did not stop within {grace:g} s, and it runs on {status.host}",
            "The request remains. To force it, run this command on that machine",
        )
    try:
        _send_signal(status, signal.SIGTERM)
    except PermissionError as error:
        raise _of_another_user(run) from error
    # A suspended process handles the SIGTERM only once it is resumed.
    _send_signal(status, signal.SIGCONT)
    if _wait_until_gone(run, grace):
        return StopOutcome.TERMINATED
    _kill_group(status)
    if not _wait_until_gone(run, grace):
        raise NotStopped(
            f"{run.id} (pid {status.pid}) still exists after SIGKILL",
            "It hangs in the kernel, in a disk or driver call: `dmesg` may say which",
        )
    _record_kill(run, status, 2 * grace)
    return StopOutcome.KILLED


def _leaves_queue(run: RunDirectory) -> bool:
    """Take the run out of the queue, and return whether it has been there."""
    if queue.waiting_entry(run) is None:
        return False
    try:
        queue.end_in_queue(run)
    except queue.NotQueued:  # started at this moment
        return False
    return True


def _record_kill(run: RunDirectory, status: ProcessStatus, seconds: float) -> None:
    """Write the end that the job could not write, unless another process has the run by now."""
    try:
        run_lock = claim(run)
    except RunBusy:
        return
    with run_lock:
        if status.phase != ENDED:
            with EventLog(run.events) as log:
                log.write("warning", message=f"Killed: it did not stop within {seconds:g} s")
                log.write("done", verdict="stopped")
        clear_requests(run)


def _running_status(run: RunDirectory) -> ProcessStatus:
    status = read_status(run)
    if status is None or liveness(status, time.time()) is Liveness.DEAD:
        raise _not_running(run)
    return status


def _not_running(run: RunDirectory) -> NotRunning:
    if read_status(run) is None:
        return NotRunning(f"{run.id} was never started", "There is nothing to stop")
    return NotRunning(f"{run.id} has already ended", "There is nothing to stop")


def _write_request(request: Request, run: RunDirectory) -> None:
    try:
        run.control.mkdir(mode=PRIVATE, exist_ok=True)
        atomic.replace(run.control / request, f"{time.time():.3f}\n".encode())
    except PermissionError as error:
        raise _of_another_user(run) from error
    except OSError as error:
        raise NotStopped(
            f"{run.id} cannot be asked to stop: {run.control}: {error.strerror or error}",
            "Free some disk space, or send SIGTERM to its process",
        ) from error


def _of_another_user(run: RunDirectory) -> NotStopped:
    try:
        owner = run.path.owner()
    except (OSError, KeyError):  # not readable either, or a user without a name
        owner = "another user"
    return NotStopped(f"{run.id} is a run of {owner}, not yours", "Only its owner can stop it")


def _wait_until_gone(run: RunDirectory, seconds: float) -> bool:
    """Wait at most `seconds` for the process to be gone, and return whether it is."""
    deadline = time.monotonic() + seconds
    while True:
        status = read_status(run)
        if status is None or liveness(status, time.time()) is Liveness.DEAD:
            return True
        if status.phase == ENDED and is_remote(status):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)


def _send_signal(status: ProcessStatus, number: signal.Signals) -> None:
    if status.pid is not None and is_alive_here(status):
        os.kill(status.pid, number)


def _kill_group(status: ProcessStatus) -> None:
    """Kill the process group if the job leads it. A job started by hand is in a shell's group."""
    if status.pid is None or not is_alive_here(status):
        return
    if os.getpgid(status.pid) == status.pid:
        os.killpg(status.pid, signal.SIGKILL)
    else:
        os.kill(status.pid, signal.SIGKILL)
