"""A run that Slurm starts: the job that was submitted for it, and what Slurm's answers mean.

`slurm.json` in the run folder names the job. The status of a process names the job that it runs in,
so that no clock has to tell whether a process is that of the last submission.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Literal

from deepsynth_tui.runs import atomic, remote_heartbeat
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import LaunchError
from deepsynth_tui.runs.json_file import Fields, read_object
from deepsynth_tui.runs.liveness import ENDED, REQUEUED, Liveness, ProcessStatus, is_remote
from deepsynth_tui.slurm import commands
from deepsynth_tui.slurm.commands import SlurmError
from deepsynth_tui.slurm.jobs import TABLE, BatchJob


class NotSubmitted(LaunchError):
    """Slurm refuses the job, does not answer, or is not installed here."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The id that Slurm gave the job, and when it was submitted (seconds since the epoch)."""

    job_id: str
    submitted: float


@dataclass(frozen=True, slots=True)
class BatchState:
    """What Slurm says about a run whose process says nothing (any more).

    "ended": it has no process, and the event log tells how it ended. "lost": the job ended before
    a process began. "as seen": Slurm does not answer, so that only the heartbeat tells.
    """

    name: Literal["queued", "starting", "unresponsive", "ended", "lost", "as seen"]
    message: str


def submit(run: RunDirectory, *, resume: bool) -> Submission:
    """Submit the batch script of the run and record the job.

    Raises:
        NotSubmitted: Slurm refuses it.
        OSError: The run folder cannot be written; the job is cancelled then.
    """
    try:
        job_id = commands.submit(run.batch_script.absolute(), ["--resume"] if resume else [])
    except SlurmError as error:
        raise NotSubmitted(error.message, error.advice, error.key) from error
    TABLE.forget()
    submission = Submission(job_id, time.time())
    try:
        text = json.dumps({"v": 1, **asdict(submission)})
        atomic.replace(run.batch_job, text.encode() + b"\n", durable=True)
    except OSError:
        commands.cancel(job_id)
        raise
    return submission


def read_submission(run: RunDirectory) -> Submission | None:
    """Return the job that was submitted last; None if the run was never submitted.

    Raises BadContent or OSError if the file is damaged or may not be read.
    """
    try:
        content = Fields(read_object(run.batch_job), run.batch_job.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Submission(content.text("job_id"), content.number("submitted"))


def cancel(submission: Submission) -> None:
    """Cancel the job. Raises SlurmError."""
    commands.cancel(submission.job_id)
    TABLE.forget()


def has_reported(submission: Submission, status: ProcessStatus | None) -> bool:
    """Return whether the status is that of a process of the job."""
    return status is not None and status.batch_job == submission.job_id


def state_in_slurm(
    submission: Submission, status: ProcessStatus | None, alive: Liveness, now: float
) -> BatchState | None:
    """Return what Slurm says about the run, None if its process says all.

    Slurm is asked only about a process that has not reported yet, or not lately.
    """
    if has_reported(submission, status):
        assert status is not None
        if status.phase == ENDED:
            return None
        if status.phase != REQUEUED and alive in (Liveness.STARTING, Liveness.ALIVE):
            return None
    try:
        job = TABLE.find(submission.job_id)
    except SlurmError as error:
        return without_answer(submission, status, error)
    return judge(submission, status, alive, job, now)


def without_answer(
    submission: Submission, status: ProcessStatus | None, error: SlurmError
) -> BatchState:
    """Return the state of a run about which Slurm says nothing now."""
    message = f"Slurm job {submission.job_id}: {error.message}"
    is_waiting = not has_reported(submission, status) or (status and status.phase == REQUEUED)
    return BatchState("queued" if is_waiting else "as seen", message)


def judge(
    submission: Submission,
    status: ProcessStatus | None,
    alive: Liveness,
    job: BatchJob | None,
    now: float,
) -> BatchState:
    """Return the state of a run whose process says nothing. `job` is None if Slurm no longer knows
    the job."""
    name = f"Slurm {submission.job_id}"
    if job is not None and job.is_waiting:
        return BatchState("queued", f"in {name} ({job.why}){_expected(job)}")
    if job is not None and job.is_working:
        place = f"{name} has {job.nodes or 'nodes'}"
        if status is not None and _is_silent(submission, status, alive):
            return BatchState("unresponsive", f"{place}: {remote_heartbeat.describe(status, now)}")
        return BatchState("starting", f"{place}; its process has not reported yet")
    has_begun = has_reported(submission, status)
    return BatchState("ended" if has_begun else "lost", _end(submission, status, job))


def _is_silent(submission: Submission, status: ProcessStatus, alive: Liveness) -> bool:
    """Whether a process that works, as far as can be seen, has stopped to write heartbeats.

    The process of another host may still exist long after its last heartbeat; of this host it is
    known.
    """
    may_exist = alive is Liveness.UNRESPONSIVE or is_remote(status)
    return has_reported(submission, status) and status.phase != REQUEUED and may_exist


def _expected(job: BatchJob) -> str:
    return f", expected at {job.start.replace('T', ' ')}" if job.start else ""


def _end(submission: Submission, status: ProcessStatus | None, job: BatchJob | None) -> str:
    """Say how the job ended, for a run that could not say so itself."""
    look = f"`sacct -j {submission.job_id}` and the end of the log may say why"
    if job is None:
        return f"Slurm no longer knows job {submission.job_id}: {look}"
    why = f", {job.reason}" if job.reason else ""
    if not has_reported(submission, status):
        return (
            f"Slurm job {job.id} ended before the run began ({job.state}{why}): {look}. "
            "The run folder must be on a disk that all nodes share"
        )
    if status is not None and status.phase == REQUEUED:
        return f"Slurm did not start job {job.id} again ({job.state}{why}). Resume the run"
    return f"Slurm job {job.id} ended: {job.state}{why}. {look}"
