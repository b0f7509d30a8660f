"""The run of a trial: an ordinary run in the queue, created once whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deepsynth_tui.queue.add import add_run
from deepsynth_tui.queue.admission import Need
from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, create_run, open_run
from deepsynth_tui.runs.queue import NotQueued
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.summary import RunSummary, summarize
from deepsynth_tui.runs.tail import EventTail
from deepsynth_tui.search.folder import SearchFolder
from deepsynth_tui.search.prepare import TrialConfig


@dataclass(slots=True)
class TrialRun:
    """The run of a trial, and its events so far."""

    run: RunDirectory
    state: RunState = field(default_factory=RunState)
    tail: EventTail | None = None

    def poll(self) -> RunSummary:
        """Read what is new; return the summary, which is not newer than the events."""
        summary = summarize(self.run)
        self.tail = self.tail or EventTail(self.run.events)
        while events := self.tail.poll():
            self.state = fold(self.state, events)
        return summary

    def metric(self, name: str) -> Mapping[int, float]:
        """Return the points of a metric by step."""
        return dict(self.state.series.get(name, ()))

    def final(self, name: str) -> float | None:
        """Return a metric of the weights that were saved."""
        value = self.state.results.get(name)
        if isinstance(value, (int, float)):
            return float(value)
        points = self.state.series.get(name)
        return points[-1][1] if points else None

    @property
    def seconds(self) -> float:
        """How long the run has worked, without the pauses between its processes."""
        phases = self.state.phases
        last = self.state.ended or self.state.updated
        return sum(
            max(0.0, (phase.ended or last or phase.started) - phase.started) for phase in phases
        )


class TrialRuns:
    """Creates, finds and queues the runs of a search."""

    def __init__(self, home: Path, folder: SearchFolder, name: str) -> None:
        self._home = home
        self._folder = folder
        self._name = name
        self._runs: dict[int, TrialRun] = {}

    def find(self, number: int) -> TrialRun | None:
        """Return the run of a trial, None if it was not created completely."""
        if number not in self._runs:
            try:
                self._runs[number] = TrialRun(open_run(self._path(number)))
            except RunNotFound:
                return None
        return self._runs[number]

    def create(self, number: int, config: TrialConfig) -> TrialRun:
        """Create the run of a trial; half a run that a kill has left is removed."""
        if found := self.find(number):
            return found
        path = self._path(number)
        if path.exists():
            self._remove_half(path)
        run = create_run(
            self._home,
            kind="training",
            name=config.config.name,
            config_text=config.text,
            at=path,
            cwd=self._folder.cwd,
        )
        self._runs[number] = TrialRun(run)
        return self._runs[number]

    def enqueue(self, trial: TrialRun, need: Need, *, resume: bool) -> None:
        """Put a run into the queue. Raises QueueError or RunBusy."""
        add_run(self._home, trial.run, need, resume=resume)

    def stop(self, trial: TrialRun) -> None:
        """Ask a run to stop now, with a checkpoint; one that waits leaves the queue."""
        try:
            control.request_stop(trial.run, now=True)
        except (control.NotStopped, NotQueued):
            return  # it has ended: the next poll tells

    def overrides(self, number: int) -> list[str]:
        """Return the settings that only the run of this trial has."""
        return [f"name={json.dumps(f'{self._name}-{number:03d}')}", "output.dir=null"]

    def _path(self, number: int) -> Path:
        return self._folder.trials / f"{number:03d}"

    def _remove_half(self, path: Path) -> None:
        for entry in os.scandir(self._home / "runs"):
            if entry.is_symlink() and os.path.realpath(entry.path) == str(path.resolve()):
                Path(entry.path).unlink()
        shutil.rmtree(path)
