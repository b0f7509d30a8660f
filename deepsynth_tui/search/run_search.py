"""A search from its first trial to its result. After a kill at any moment it goes on where it was.

Everything it knows is in Optuna's journal and in the folders of the runs. A trial begins in the
journal, then its run is created at a place that follows from its number, then it is queued; each of
these steps is done only if it has not been done yet.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.config.search import METRICS, SearchConfig
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.machine import nvml
from deepsynth_tui.queue.admission import Need, NeedEstimator
from deepsynth_tui.queue.wake import wake
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.search.folder import SearchFolder
from deepsynth_tui.search.prepare import Prepared
from deepsynth_tui.search.price import price_per_hour
from deepsynth_tui.search.results import (
    SearchResults,
    State,
    TrialRow,
    table_lines,
    values_text,
    write_results,
)
from deepsynth_tui.search.study import CONTINUES, Study
from deepsynth_tui.search.trial_runs import TrialRun, TrialRuns
from deepsynth_tui.terminal_text import terminal_text

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

POLL_SECONDS = 0.5
MAX_CRASHES = 2
"""How often the run of a trial is resumed after a crash."""
DIVERGED = "Training diverged"
"""Begins the error of a run that diverged: a result, and no fault of the machine."""
STATES: dict[str, State] = {
    "RUNNING": "running",
    "COMPLETE": "done",
    "PRUNED": "pruned",
    "FAIL": "failed",
}


class Search:
    """A search at work. The caller holds the lock of its folder."""

    def __init__(
        self,
        home: Path,
        folder: SearchFolder,
        config: SearchConfig,
        prepared: Prepared,
        print_line: Callable[[str], None],
        need_of: Callable[[TrainingConfig], Need] | None = None,
    ) -> None:
        """Open the study. `need_of` returns what a trial needs, by default by an estimate."""
        self.home = home
        self.folder = folder
        self.config = config
        self.prepared = prepared
        self.print_line = print_line
        self.study = Study(folder, config, prepared)
        self.runs = TrialRuns(home, folder, config.name)
        self.need_of = need_of or NeedEstimator()
        self.price = price_per_hour()
        self.begun = time.monotonic()
        self.seconds_before = _read_clock(folder)
        self.written: SearchResults | None = None

    def run(self) -> SearchResults:
        """Run every trial that is left, and return the results. At a limit, trials are stopped;
        with a higher one they go on.

        Raises KeyboardInterrupt after it has asked the trials to stop; they can be resumed.
        """
        try:
            while not (limit := self._limit()):
                for trial in self.study.active:
                    self._advance(trial)
                while self._has_room():
                    self._advance(self.study.begin())
                self._write(self.results())
                if not self.study.active and not self.study.continue_best():
                    return self.results()
                wake(self.home)
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self._interrupt()
            raise
        self._interrupt()
        self._write(self.results(limit))
        return self.results(limit)

    def results(self, ended: str = "") -> SearchResults:
        """Return the results so far; `ended` says which limit ended the search."""
        best = self.study.best
        rows = tuple(self._row(trial) for trial in self.study.trials)
        return SearchResults(
            name=self.config.name,
            path=str(self.folder.path),
            metric=self.config.metric,
            direction=METRICS[self.config.metric],
            trials=rows,
            best=best.number if best else None,
            importance=self.study.importance(),
            steps=sum(row.steps for row in rows),
            ended=ended,
        )

    def _has_room(self) -> bool:
        devices = len(nvml.probe().devices) // self.prepared.base.training.num_processes
        return self.study.has_next and len(self.study.active) < max(1, devices)

    def _limit(self) -> str:
        """Return which limit of the search is reached, "" if none is."""
        seconds = self.seconds_before + time.monotonic() - self.begun
        _write_clock(self.folder, seconds)
        if self.config.max_hours is not None and seconds >= 3600 * self.config.max_hours:
            return f"max_hours: {self.config.max_hours:g} is reached"
        costs = (self._row(trial).cost or 0 for trial in self.study.trials)
        if self.config.max_cost is not None and sum(costs) >= self.config.max_cost:
            return f"max_cost: {self.config.max_cost:g} is reached"
        return ""

    def _advance(self, trial: FrozenTrial) -> None:
        """Do the next step of a trial."""
        run = self._run_of(trial) or self._create(trial)
        if run is None:
            return
        summary = run.poll()
        if not summary.is_live:
            self._conclude(trial, run, summary)
        elif summary.state != "queued":
            self._follow(trial, run, summary)

    def _run_of(self, trial: FrozenTrial) -> TrialRun | None:
        return self.runs.find(trial.user_attrs.get(CONTINUES, trial.number))

    def _create(self, trial: FrozenTrial) -> TrialRun | None:
        """Create the run of a trial, unless its settings do not go together or will not fit."""
        values = self.study.values(trial)
        name = self.runs.overrides(trial.number)
        try:
            config = self.prepared.trial(values, *name)
        except ConfigError as error:
            self._fail(trial, str(error).replace("\n", "; "))
            return None
        need = self.need_of(config.config)
        self.study.note(trial, "needed", need.needed)
        if need.problem:
            self._prune(trial, f"will not fit: {need.problem.message}")
            return None
        run = self.runs.create(trial.number, config)
        self.print_line(f"trial {trial.number}: {values_text(values)} ({run.run.id})")
        self._enqueue(run, need, resume=False)
        return run

    def _follow(self, trial: FrozenTrial, run: TrialRun, summary: RunSummary) -> None:
        """Report the metric of a live run, and stop it if it is not worth going on."""
        notes = trial.user_attrs
        if notes.get("interrupted") and summary.state in ("running", "starting"):
            self.study.note(trial, "interrupted", False)
        if "stopped" in notes or summary.state == "stopping":
            return
        points = run.metric(self.config.metric)
        last = max(points, default=0)
        is_last = run.state.total_steps is not None and last >= run.state.total_steps
        if self.study.report(trial, points) and not is_last:
            # First: a kill must not hide who stopped it.
            verb = "paused" if self.config.pruner == "halving" else "pruned"
            text = f"{verb} at step {last}: {self._score_text(points[last])}"
            self.study.note(trial, "stopped", text)
            self.runs.stop(run)

    def _conclude(self, trial: FrozenTrial, run: TrialRun, summary: RunSummary) -> None:
        """Store the result of a run that has ended, or let it go on."""
        notes = trial.user_attrs
        if "stopped" not in notes:
            self.study.report(trial, run.metric(self.config.metric))
        match summary.state:
            case "done":
                self._complete(trial, run)
            case "stopped" if CONTINUES in notes and not notes.get("resumed"):
                self.print_line(f"trial {trial.number}: trial {notes[CONTINUES]} goes on")
                self._resume(trial, run)
                self.study.note(trial, "resumed", True)
            case "stopped" if "stopped" in notes:
                self.study.note(trial, "paused", notes["stopped"].startswith("paused"))
                self._prune(trial, notes["stopped"])
            case "stopped" if notes.get("interrupted"):
                self._resume(trial, run)
            case "stopped":
                self._prune(trial, "stopped by hand")
            case "crashed" if read_status(run.run) is None:  # killed before it was queued
                self._resume(trial, run)
            case "crashed" if notes.get("crashes", 0) < MAX_CRASHES:
                self.print_line(f"trial {trial.number}: crashed, it is resumed")
                self._resume(trial, run)
                self.study.note(trial, "crashes", notes.get("crashes", 0) + 1)
            case "failed" if summary.message.startswith(DIVERGED):
                self._prune(trial, summary.message)
            case _:
                self._fail(trial, summary.message or summary.state)

    def _complete(self, trial: FrozenTrial, run: TrialRun) -> None:
        score = run.final(self.config.metric)
        if score is None or not math.isfinite(score):
            reported = ", ".join(sorted(name for name in run.state.series if "eval" in name))
            self._fail(trial, f"did not report {self.config.metric}; it reported {reported}")
            return
        self.study.complete(trial, score)
        best = self.study.best
        note = ", the best so far" if best and best.number == trial.number else ""
        self.print_line(f"trial {trial.number}: {self._score_text(score)}{note}")
        if note:
            text = self.prepared.best(self.study.values(trial))
            atomic.replace(self.folder.best, text.encode(), durable=True)

    def _resume(self, trial: FrozenTrial, run: TrialRun) -> None:
        config = self.prepared.trial(self.study.values(trial), *self.runs.overrides(trial.number))
        self._enqueue(run, self.need_of(config.config), resume=read_status(run.run) is not None)

    def _enqueue(self, run: TrialRun, need: Need, *, resume: bool) -> None:
        try:
            self.runs.enqueue(run, need, resume=resume)
        except UserError as error:  # its process has not gone yet: the next look tries again
            self.print_line(str(error))

    def _prune(self, trial: FrozenTrial, reason: str) -> None:
        self.study.note(trial, "reason", reason)
        if run := self._run_of(trial):
            self.study.note(trial, "seconds", run.seconds)
            self.study.note(trial, "steps", run.state.step or 0)
        self.study.prune(trial)
        self.print_line(f"trial {trial.number}: {reason}")

    def _fail(self, trial: FrozenTrial, reason: str) -> None:
        self.study.note(trial, "reason", reason)
        self.study.fail(trial)
        self.print_line(f"trial {trial.number}: failed: {reason}")

    def _interrupt(self) -> None:
        for trial in self.study.active:
            if run := self._run_of(trial):
                self.study.note(trial, "interrupted", True)
                self.runs.stop(run)

    def _row(self, trial: FrozenTrial) -> TrialRow:
        run = self._run_of(trial)
        summary = run.poll() if run else None
        seconds, steps = self._effort(trial, run)
        score = trial.value
        if score is None and trial.intermediate_values:
            score = trial.intermediate_values[max(trial.intermediate_values)]
        score = score if score is not None and math.isfinite(score) else None
        is_stopped = trial.state.name == "RUNNING" and trial.user_attrs.get("interrupted")
        return TrialRow(
            number=trial.number,
            state="stopped" if is_stopped else STATES[trial.state.name],
            score=score,
            values=self._stored_values(trial),
            run=run.run.id if run else "",
            run_state=summary.state if summary else "",
            continues=trial.user_attrs.get(CONTINUES),
            steps=steps,
            seconds=seconds,
            needed_bytes=trial.user_attrs.get("needed"),
            peak_bytes=run.state.peak_memory.device if run else None,
            cost=None if self.price is None else self.price * seconds / 3600,
            reason=trial.user_attrs.get("reason", ""),
        )

    def _effort(self, trial: FrozenTrial, run: TrialRun | None) -> tuple[float, int]:
        """Return the seconds and steps of a trial, without those of the trial it continues."""
        if run is None:
            return 0.0, 0
        notes = trial.user_attrs
        if notes.get("paused"):
            return notes["seconds"], notes["steps"]
        seconds, steps = run.seconds, run.state.step or 0
        if CONTINUES in notes:
            before = self.study.trials[notes[CONTINUES]].user_attrs
            seconds, steps = seconds - before["seconds"], steps - before["steps"]
        return max(0.0, seconds), max(0, steps)

    def _stored_values(self, trial: FrozenTrial) -> dict[str, object]:
        return {
            key: json.loads(value) if isinstance(value, str) else value
            for key, value in trial.params.items()
        }

    def _score_text(self, score: float) -> str:
        return f"{self.config.metric} {score:.4g}"

    def _write(self, results: SearchResults) -> None:
        if results != self.written:
            write_results(self.folder.results, results)
            self.written = results


def _read_clock(folder: SearchFolder) -> float:
    try:
        return Fields(read_object(folder.clock), folder.clock.name).number("seconds")
    except (OSError, BadContent):
        return 0.0


def _write_clock(folder: SearchFolder, seconds: float) -> None:
    atomic.replace(folder.clock, json.dumps({"seconds": seconds}).encode())


def print_results(results: SearchResults, print_line: Callable[[str], None]) -> None:
    """Print the table and what follows from it."""
    print_line("")
    for line in table_lines(results):
        print_line(terminal_text(line))
    if results.ended:
        print_line(f"The search ended early: {results.ended}.")
