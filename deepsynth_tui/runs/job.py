"""The job's side of a run: `run_job` is the process boundary, `Job` is what the body reports to."""

from __future__ import annotations

import faulthandler
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from deepsynth_tui.runs import atomic, control, device_lock, lock
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, open_run, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted, comparison_to_json
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.eviction import Eviction
from deepsynth_tui.runs.heartbeat import HEARTBEAT_SECONDS, REQUEST_POLL_SECONDS, Heartbeat
from deepsynth_tui.runs.liveness import REQUEUED, STARTING, WAITING
from deepsynth_tui.runs.private_folder import writable_by_others
from deepsynth_tui.runs.signals import Interrupted, StopSignals
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.slurm import commands

PROGRESS_SECONDS = 0.25
"""Minimum time between two progress events. The last one before a change of phase is always
written."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, for the user: the kind of problem, what happened, what to do next.

    `changes` are settings, by dotted key, that would avoid the problem.
    """

    class_name: str
    message: str
    advice: str
    changes: Mapping[str, object] = field(default_factory=dict)


NO_PROGRESS = Failure(
    "TimeLimit",
    "The time limit of the batch job came before the first checkpoint, so it was not requeued",
    "Raise launch.time or lower training.save_steps. `train --resume` submits the run again",
)


class JobFailed(Exception):
    """Raised by a body that provides the `Failure` to show."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class StartAgain(Exception):
    """Raised by the body of a batch job that Slurm has to start again, because of `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Events(Protocol):
    """Where events go: the log itself, or a pipe to the process that writes it."""

    def write(self, kind: str, /, **fields: object) -> object: ...


class HeartbeatLike(Protocol):
    """Reports that the job is alive, and receives requests; see `Heartbeat`."""

    stop_event: threading.Event

    @property
    def request(self) -> control.Request | None: ...

    def enter_phase(self, name: str) -> None: ...


class Job:
    """What the body of a job reports to. Each call is one event; see `events` for the format.

    Every method raises OSError if the event cannot be written: a run whose events are lost must
    not continue.
    """

    def __init__(self, run: RunDirectory, events: Events, heartbeat: HeartbeatLike) -> None:
        self.run = run
        self.events = events
        self.heartbeat = heartbeat
        self.results: dict[str, object] = {}
        self.prediction: Predicted | None = None
        self._unwritten: dict[str, object] = {}
        self._progress_due = 0.0

    def phase(self, name: str, detail: str = "", **more: object) -> None:
        """Report the start of a phase. `detail` is for the user, such as the name of the model."""
        self.flush()
        self._progress_due = 0.0
        self.heartbeat.enter_phase(name)
        self.events.write("phase", name=name, detail=detail, **more)

    def resumed(self, step: int) -> None:
        """Report that work continues from the checkpoint of `step`; 0 starts over. What an earlier
        process reported for later steps is void."""
        self.phase("resumed", f"from step {step}", step=step)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """Report progress: `done` of `total` `unit`s ("steps", "pages"), None if unknown.

        May be called at any rate; few of the calls become events.
        """
        self._unwritten = {"done": done, "total": total, "unit": unit}
        if time.monotonic() >= self._progress_due or done == total:
            self.flush()

    def flush(self) -> None:
        """Write progress that has not been written yet."""
        if self._unwritten:
            self.events.write("progress", **self._unwritten)
            self._unwritten = {}
            self._progress_due = time.monotonic() + PROGRESS_SECONDS

    def metric(self, *, step: int, **values: object) -> None:
        """Report numbers at a training step: epoch, loss, learning_rate, grad_norm, eval_loss,
        eval_exact_match, eval_rouge_l, eval_cer, tokens_per_second, data_wait or any other."""
        self.events.write("metric", step=step, **values)

    def memory(self, **values: object) -> None:
        """Report memory in bytes.

        `allocated` and `reserved` are the peaks of the framework's allocator, `held` is allocated
        now, `device` is the job's share of the GPU, `host` is resident now, `host_peak` at most.
        Before the first step, `loading` replaces the peaks. `step` is the step after which the
        values were read; for the first steps, the peaks are those of that step alone. `gpu` is what
        the GPU reports: `name`, `index`, `total` memory in bytes, `utilisation` in percent, `power`
        and `power_limit` in watts, `temperature` in °C, each None if it does not report it.
        """
        self.events.write("memory", **values)

    def predicted(self, figures: Predicted, estimate: Mapping[str, object]) -> None:
        """Report the predicted memory and time, and write the whole `estimate` (JSON types) into
        the run directory."""
        text = json.dumps(estimate, ensure_ascii=False, indent=1)
        atomic.replace(self.run.estimate, text.encode() + b"\n")
        self.prediction = figures
        self.events.write("estimate", **asdict(figures))

    def measured(self, figures: Measured) -> None:
        """Report the measured memory and time: once enough steps are done, and again at the end."""
        text = json.dumps(comparison_to_json(self.prediction, figures))
        atomic.replace(self.run.measured, text.encode() + b"\n")
        self.events.write("measured", **asdict(figures))

    def sample(
        self,
        *,
        input: str,
        target: str,
        output: str,
        when: Literal["before", "during", "after"],
        **more: object,
    ) -> None:
        """Report the model's `output` for one `input` with the expected answer `target`.

        `more` may contain the `page` as lines of braille, the `loss` of the expected answer, and
        `is_cut`, whether the output ended only because of a limit.
        """
        self.events.write("sample", input=input, target=target, output=output, when=when, **more)

    def drawn(self, *, documents: int, pages: int, rows: int, left_out: Mapping[str, int]) -> None:
        """Report what a dataset run has written so far; `left_out` counts documents by reason."""
        self.events.write(
            "drawn", documents=documents, pages=pages, rows=rows, left_out=dict(left_out)
        )

    def first_page(self, lines: Sequence[str]) -> None:
        """Report the first page of a dataset run, as lines of braille."""
        self.events.write("page", lines=lines)

    def learning(self, *, step: int, towers: Mapping[str, Mapping[str, int]]) -> None:
        """Report what the first steps changed: for each tower, the number of `adapters` and
        `tensors`, and how many of them are `with_gradient` and `moved`."""
        self.events.write("learning", step=step, towers=towers)

    def checkpoint(self, path: Path, step: int) -> None:
        """Report a checkpoint that is complete on disk. Paths inside the run become relative."""
        inside = path.is_relative_to(self.run.path)
        shown = path.relative_to(self.run.path) if inside else path
        self.flush()
        self.events.write("checkpoint", path=shown, step=step)

    def warning(self, message: str) -> None:
        """Report something that the user should know but that does not end the run."""
        self.events.write("warning", message=message)

    def result(self, **fields: object) -> None:
        """Add fields to the `done` event: the results of the run, such as counts and paths."""
        self.results.update(fields)

    def stop_requested(self) -> control.Request | None:
        """Return the request to stop, if any. Cheap enough for every step: it reads no file."""
        return self.heartbeat.request


def run_job(
    run_path: Path,
    body: Callable[[Job], str],
    *,
    explain: Callable[[BaseException], Failure],
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> int:
    """Run `body` for the run at `run_path` and return the exit status of the process: 0 if it
    returned "completed" or "stopped", 1 if it failed or if the run has a live job already.

    An exception becomes an `error` event, as `explain` describes it; its traceback goes to stderr.
    SIGTERM and SIGINT ask the body to stop and, the second time, interrupt it; SIGHUP is ignored.
    A run with a predecessor waits for it first. Must be called in the main thread.

    Raises:
        RunNotFound: `run_path` is not a run.
        OSError: The end of the run cannot be recorded.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable()
    run = open_run(run_path.absolute())
    device_lock.keep_inherited()
    try:
        run_lock = lock.inherited(run) or lock.claim(run)
    except RunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with run_lock:
        verdict, eviction = _run_locked(run, body, explain, heartbeat_seconds)
        if eviction is not None:
            eviction.requeue()
    sys.stdout.flush()
    sys.stderr.flush()
    return 1 if verdict == "failed" else 0


def _run_locked(
    run: RunDirectory,
    body: Callable[[Job], str],
    explain: Callable[[BaseException], Failure],
    heartbeat_seconds: float,
) -> tuple[str, Eviction | None]:
    """Run `body`; return its verdict, and the eviction if Slurm ended it for now."""
    job_id = commands.batch_job()
    with (
        EventLog(run.events) as events,
        Heartbeat(run, seconds=heartbeat_seconds, seq_before=events.seq) as heartbeat,
    ):
        eviction = Eviction(job_id, heartbeat) if job_id else None
        signals = StopSignals(
            request_stop=heartbeat.terminate,
            is_stop_requested=lambda: (
                heartbeat.request == "stop" or control.pending_request(run) == "stop"
            ),
            evict=eviction.receive if eviction else None,
        )
        with signals:
            job = Job(run, events, heartbeat)
            job.phase(STARTING)
            if writable_by_others(run.control):
                job.warning(
                    f"Others can stop this run: {run.control} is writable by them. "
                    f"`chmod 700 {run.control}` prevents that"
                )
            try:
                verdict = _attempt(job, body, explain, signals)
                is_evicted = verdict == "stopped" and heartbeat.request == "requeue"
            except StartAgain as error:
                assert eviction is not None  # raised in batch jobs only
                eviction.demand()
                job.warning(error.failure.message)
                verdict, is_evicted = "stopped", True
            job.flush()
            if eviction and is_evicted and eviction.is_without_progress(events.kinds):
                verdict, is_evicted = "failed", False
                _report(job, NO_PROGRESS)
            if is_evicted:
                heartbeat.last_phase = REQUEUED
                job.warning("Slurm takes the nodes back: the run goes on when it is started again")
            events.write("done", verdict=verdict, **job.results)
            control.clear_requests(run)
    return verdict, eviction if is_evicted else None


def _report(job: Job, failure: Failure) -> None:
    """Write the error event of a failure."""
    fields = {"class": failure.class_name, "message": failure.message}
    changes = {"changes": failure.changes} if failure.changes else {}
    job.events.write("error", **fields, advice=failure.advice, **changes)


def _attempt(
    job: Job,
    body: Callable[[Job], str],
    explain: Callable[[BaseException], Failure],
    signals: StopSignals,
) -> str:
    try:
        with signals.interruptible():
            verdict = body(job) if _await_predecessor(job) else "stopped"
        if verdict not in ("completed", "stopped"):
            raise ValueError(f"The job ended with an unknown verdict: {verdict!r}")
    except StartAgain:
        raise
    except Interrupted:
        traceback.print_exc()
        job.warning("Interrupted: it did not stop in time")
        return "stopped"
    except BaseException as error:  # noqa: BLE001 - the process boundary: recorded, exit code 1
        traceback.print_exc()
        failure = error.failure if isinstance(error, JobFailed) else explain(error)
        job.flush()
        _report(job, failure)
        return "failed"
    return verdict


def _await_predecessor(job: Job) -> bool:
    """Wait until the predecessor of this run is completed; return False if asked to stop.

    Raises JobFailed if the predecessor ends in any other way.
    """
    after = read_identity(job.run).after
    if after is None:
        return True
    waiting = False
    while True:
        try:
            summary = summarize(after)
        except RunNotFound as error:
            message = f"{after.id}, which this run waits for, was deleted"
            raise JobFailed(Failure("PredecessorFailed", message, "Start both again")) from error
        if summary.state == "done":
            return True
        if summary.state in ("stopped", "failed", "crashed"):
            reason = f": {summary.message}" if summary.message else ""
            raise JobFailed(
                Failure(
                    "PredecessorFailed",
                    f"{after.id}, which this run waits for, has {summary.state}{reason}",
                    "Resume that run; once it is completed, resume this one",
                )
            )
        if not waiting:
            job.phase(WAITING, f"for {after.id}")
            waiting = True
        if job.heartbeat.stop_event.wait(REQUEST_POLL_SECONDS):
            return False
