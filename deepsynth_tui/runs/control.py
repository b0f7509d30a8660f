"""Requests to a job: files in its `control/`, and signals if it does not react."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Literal

from deepsynth_tui.runs import atomic, batch_job, queue
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.liveness import (
    ENDED,
    GONE,
    Liveness,
    ProcessStatus,
    is_alive_here,
    is_remote,
    liveness,
    own_status,
    read_status,
    write_status,
)
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.private_folder import PRIVATE
from deepsynth_tui.slurm import commands
from deepsynth_tui.slurm.jobs import TABLE

Request = Literal["stop", "requeue", "stop-after-checkpoint"]
REQUESTS: tuple[Request, ...] = ("stop", "requeue", "stop-after-checkpoint")
"""File names of the requests, the strongest first. "requeue" comes from Slurm, as a signal: the job
writes a checkpoint and ends at once, to go on in another process."""
STOP_NOW: tuple[Request, ...] = ("stop", "requeue")
"""Requests to stop after the present step."""
CANCEL_SECONDS = 120.0
"""How long Slurm may take to end a job: four times its default KillWait."""
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
    if _leaves_queue(run) or _leaves_slurm(run):
        return
    if _running_status(run).phase in GONE:
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
    if _leaves_queue(run) or _leaves_slurm(run):
        return StopOutcome.EXITED
    status = _running_status(run)
    _write_request("stop", run)
    if _wait_until_gone(run, grace):
        return StopOutcome.EXITED
    status = read_status(run) or status
    if status.batch_job is not None:
        return _end_batch_job(run, status, status.batch_job, grace)
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


def _leaves_slurm(run: RunDirectory) -> bool:
    """Cancel the batch job of a run that waits in Slurm, and return whether it has."""
    submission = batch_job.read_submission(run)
    if submission is None:
        return False
    status = read_status(run)
    now = time.time()
    alive = liveness(status, now) if status else Liveness.STARTING
    in_slurm = batch_job.state_in_slurm(submission, status, alive, now)
    if in_slurm is None or in_slurm.name not in ("queued", "starting"):
        return False
    with _slurm_errors(run):
        batch_job.cancel(submission)
    try:
        run_lock = claim(run)
    except RunBusy:  # started at this moment; the signal of Slurm ends it
        return True
    with run_lock, EventLog(run.events) as log:
        ended = replace(own_status(time.time(), seq_before=log.seq), batch_job=submission.job_id)
        log.write("phase", name="queued", detail=f"Slurm job {submission.job_id} was cancelled")
        log.write("done", verdict="stopped")
        write_status(run, replace(ended, heartbeat=time.time(), phase=ENDED), durable=True)
    return True


@contextlib.contextmanager
def _slurm_errors(run: RunDirectory) -> Iterator[None]:
    """Raise NotStopped in place of SlurmError."""
    try:
        yield
    except commands.SlurmError as error:
        raise NotStopped(f"{run.id} was not stopped. {error.message}", error.advice) from error


def _end_batch_job(
    run: RunDirectory, status: ProcessStatus, job_id: str, grace: float
) -> StopOutcome:
    """Signal a batch job that did not react to the request, then cancel it."""
    with _slurm_errors(run):
        commands.interrupt(job_id)
        if _wait_until_gone(run, grace):
            return StopOutcome.TERMINATED
        commands.cancel(job_id)
        deadline = time.monotonic() + CANCEL_SECONDS
        while (job := TABLE.find(job_id)) is not None and job.is_working:
            if time.monotonic() > deadline:
                raise NotStopped(
                    f"Slurm has not ended job {job_id} of {run.id} yet ({job.state})",
                    f"`squeue -j {job_id}` shows it; an administrator can end it",
                )
            time.sleep(_POLL_SECONDS)
    _record_kill(run, read_status(run) or status, 2 * grace)
    return StopOutcome.KILLED


def _record_kill(run: RunDirectory, status: ProcessStatus, seconds: float) -> None:
    """Write the end that the job could not write, unless another process has the run by now."""
    try:
        run_lock = claim(run)
    except RunBusy:
        return
    with run_lock:
        if status.phase not in GONE:
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
        if status.phase in GONE and is_remote(status):
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
