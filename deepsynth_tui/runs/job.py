"""The job's side of a run: `run_job` is the process boundary, `Job` what its body reports to."""

from __future__ import annotations

import faulthandler
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from deepsynth_tui.runs import atomic, control
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, open_run, read_identity
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted, comparison_to_json
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.heartbeat import BEAT, LISTEN, Heartbeat
from deepsynth_tui.runs.liveness import STARTING, WAITING
from deepsynth_tui.runs.signals import Interrupted, StopSignals
from deepsynth_tui.runs.summary import summarize

PROGRESS_SECONDS = 0.25
"""The least time between two progress events; the last before any change of phase is written."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, for the person: the kind of problem, what happened, what to do next.

    `changes` of the settings, by dotted key, would keep it from happening again.
    """

    class_name: str
    message: str
    advice: str
    changes: Mapping[str, object] = field(default_factory=dict)


class JobFailed(Exception):
    """Raised by a body that already knows the `Failure` to show."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Events(Protocol):
    """Where events go: the log itself, or a line to the process that keeps it."""

    def write(self, kind: str, /, **fields: object) -> object: ...


class HeartbeatLike(Protocol):
    """What says that the job lives, and hears the requests: see `Heartbeat`."""

    stop_event: threading.Event

    @property
    def request(self) -> control.Request | None: ...

    def enter_phase(self, name: str) -> None: ...


class Job:
    """What a body says about its work. Each call is one event; see `events` for their form.

    Every method raises OSError when the event cannot be written: a run that cannot say what it
    does must not go on as if it had.
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
        """A new part of the work begins. `detail` is for the person, such as the model's name."""
        self.flush()
        self._progress_due = 0.0
        self.heartbeat.enter_phase(name)
        self.events.write("phase", name=name, detail=detail, **more)

    def resumed(self, step: int) -> None:
        """The work goes on from the checkpoint of `step`: what an earlier process reported for
        later steps does not count any more. 0 starts over."""
        self.phase("resumed", f"from step {step}", step=step)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """`done` of `total` `unit`s ("steps", "pages"); None where nobody knows how many. May be
        called as often as one likes: few of the calls become events."""
        self._unwritten = {"done": done, "total": total, "unit": unit}
        if time.monotonic() >= self._progress_due or done == total:
            self.flush()

    def flush(self) -> None:
        """Write the progress that was held back."""
        if self._unwritten:
            self.events.write("progress", **self._unwritten)
            self._unwritten = {}
            self._progress_due = time.monotonic() + PROGRESS_SECONDS

    def metric(self, *, step: int, **values: object) -> None:
        """FigureList at a training step: epoch, loss, learning_rate, grad_norm, eval_loss,
        eval_exact_match, eval_rouge_l, eval_cer, tokens_per_second, data_wait and whatever else
        is a number."""
        self.events.write("metric", step=step, **values)

    def memory(self, **values: object) -> None:
        """Bytes: `allocated` and `reserved` the peaks of the framework's allocator, `held` what is
        allocated now, `device` what the job takes of the GPU, `host` resident now and `host_peak`
        at most; before the first step, `loading` instead of the peaks. `step` after which it was
        read: of the first steps, the peaks are those of that step alone."""
        self.events.write("memory", **values)

    def predicted(self, figures: Predicted, estimate: Mapping[str, object]) -> None:
        """What the job is expected to take, before it does. The whole `estimate`, in JSON's types,
        is frozen in the run directory."""
        text = json.dumps(estimate, ensure_ascii=False, indent=1)
        atomic.replace(self.run.estimate, text.encode() + b"\n")
        self.prediction = figures
        self.events.write("estimate", **asdict(figures))

    def measured(self, figures: Measured) -> None:
        """What the job took so far: once it is telling, and again at the end."""
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
        """What the model made of one `input` whose right answer is `target`. `more` may hold its
        `page`, lines of braille, and the `loss` of the right answer."""
        self.events.write("sample", input=input, target=target, output=output, when=when, **more)

    def learning(self, *, step: int, towers: Mapping[str, Mapping[str, int]]) -> None:
        """What the first steps did to what is trained: by tower, how many `adapters` and `tensors`
        there are, and how many of them are `with_gradient` and `moved`."""
        self.events.write("learning", step=step, towers=towers)

    def checkpoint(self, path: Path, step: int) -> None:
        """A checkpoint is complete on disk. Paths inside the run are written relative to it."""
        inside = path.is_relative_to(self.run.path)
        shown = path.relative_to(self.run.path) if inside else path
        self.flush()
        self.events.write("checkpoint", path=shown, step=step)

    def warning(self, message: str) -> None:
        """Something the person should know that does not end the run."""
        self.events.write("warning", message=message)

    def result(self, **fields: object) -> None:
        """Fields of the `done` event: what the run leaves, such as counts and paths."""
        self.results.update(fields)

    def stop_requested(self) -> control.Request | None:
        """Whether to stop, and when. Cheap enough for every step: it looks at no file."""
        return self.heartbeat.request


def run_job(
    run_path: Path,
    body: Callable[[Job], str],
    *,
    explain: Callable[[BaseException], Failure],
    heartbeat_seconds: float = BEAT,
) -> int:
    """Do the work of the run at `run_path` and return the exit code of the process: 0 when `body`
    returned "completed" or "stopped", 1 when it failed.

    An exception becomes an `error` event in the words of `explain`, its traceback goes to stderr.
    SIGTERM and SIGINT ask the body to stop and, the second time, interrupt it; SIGHUP is ignored.
    A run that names another waits for it first. Must be called in the main thread. Raises
    RunNotFound; OSError when not even the end can be recorded.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable()
    run = open_run(run_path.absolute())
    with EventLog(run.events) as events, Heartbeat(run, seconds=heartbeat_seconds) as heartbeat:
        signals = StopSignals(
            ask=heartbeat.terminate,
            asked=lambda: heartbeat.request == "stop" or control.pending_request(run) == "stop",
        )
        with signals:
            job = Job(run, events, heartbeat)
            job.phase(STARTING)
            verdict = _attempt(job, body, explain, signals)
            job.flush()
            events.write("done", verdict=verdict, **job.results)
            control.clear_requests(run)
    sys.stdout.flush()
    sys.stderr.flush()
    return 1 if verdict == "failed" else 0


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
    except Interrupted:
        traceback.print_exc()
        job.warning("Interrupted: it did not stop by itself in time")
        return "stopped"
    except BaseException as error:  # noqa: BLE001 - the process boundary: recorded, exit code 1
        traceback.print_exc()
        failure = error.failure if isinstance(error, JobFailed) else explain(error)
        job.flush()
        said = {"class": failure.class_name, "message": failure.message}
        changes = {"changes": failure.changes} if failure.changes else {}
        job.events.write("error", **said, advice=failure.advice, **changes)
        return "failed"
    return verdict


def _await_predecessor(job: Job) -> bool:
    """Wait until the run that this one comes after is completed; False when asked to stop.
    Raises JobFailed when it ends in any other way."""
    after = read_identity(job.run).after
    if after is None:
        return True
    waiting = False
    while True:
        try:
            summary = summarize(after)
        except RunNotFound as error:
            why = f"{after.id}, which this run waits for, was deleted"
            raise JobFailed(Failure("PredecessorFailed", why, "Start both again")) from error
        if summary.state == "done":
            return True
        if summary.state in ("stopped", "failed", "crashed"):
            because = f": {summary.message}" if summary.message else ""
            raise JobFailed(
                Failure(
                    "PredecessorFailed",
                    f"{after.id}, which this run waits for, has {summary.state}{because}",
                    "Resume that run; when it is completed, resume this one",
                )
            )
        if not waiting:
            job.phase(WAITING, f"for {after.id}")
            waiting = True
        if job.heartbeat.stop_event.wait(LISTEN):
            return False
