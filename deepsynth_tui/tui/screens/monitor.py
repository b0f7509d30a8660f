"""The view of one run, live or ended. It only reads: closing it never stops anything.

A thread reads the run directory at a steady pace and posts one frozen snapshot whenever there is
something new; the handlers here put it on screen.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState, get_current_worker

from deepsynth_tui.runs import atomic, control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.run_view.outcome import CAUSE_LINES, describe_outcome
from deepsynth_tui.tui.run_view.reader import Clock, RunReader, RunSnapshot
from deepsynth_tui.tui.screens.retry import RetryDialog
from deepsynth_tui.tui.screens.stop import StopDialog, Way, stop
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.log_pane import LogPane
from deepsynth_tui.tui.widgets.metric_chart import Curves, MetricChart
from deepsynth_tui.tui.widgets.outcome_box import OutcomeBox
from deepsynth_tui.tui.widgets.run_header import (
    FigureList,
    PhaseStrip,
    ProgressLine,
    StateLine,
    TextLine,
)
from deepsynth_tui.tui.widgets.sample_pane import SamplePane, shorten

COPIED_LINES = 200
COPIED_BYTES = 48 * 1024
"""How much of the log is copied: terminals cut off larger clipboard sequences (OSC 52)."""


def period() -> float:
    """Seconds between two looks at the run: each repaint of the log costs bytes on the wire."""
    return 0.5 if os.environ.get("SSH_CONNECTION") else 0.25


class MonitorScreen(Screen[None]):
    """The view of one run."""

    CSS_PATH = "monitor.tcss"
    BINDINGS = bindings("monitor")
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (60, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-low"), (30, "-high")]
    AUTO_FOCUS = "LogLines"

    @dataclass
    class Read(Message):
        """The reader has something new."""

        snapshot: RunSnapshot

    @dataclass
    class Told(Message):
        """A thread has something to say to the person."""

        text: str
        failed: bool = False

    def __init__(self, run: RunDirectory, *, clock: Clock = time.time) -> None:
        super().__init__()
        self.run_directory = run
        self.snapshot: RunSnapshot | None = None
        self._clock = clock
        self._seen_at_work = False
        self._moved_on = False
        self._taken = threading.Event()
        self._leaving = threading.Event()

    def compose(self) -> ComposeResult:
        """The head, the curve, the log, the keys."""
        yield StateLine(id="state")
        yield PhaseStrip(id="phases")
        yield ProgressLine(id="progress")
        yield FigureList(id="figures-line")
        yield TextLine(id="warning")
        yield OutcomeBox(id="outcome")
        with Horizontal(id="curve"):
            yield MetricChart("loss", id="chart")
            yield FigureList(id="figures-column")
        with Horizontal(id="below"):
            yield LogPane(id="log")
            yield SamplePane(id="samples")
        yield DiffedFooter()

    def on_mount(self) -> None:
        """Begin to read."""
        self._read_run(shell_of(self.app).home)

    def on_unmount(self) -> None:
        """Let the reading thread end."""
        self._leaving.set()
        self._taken.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group="reader")
    def _read_run(self, home: Path) -> None:
        worker = get_current_worker()
        try:
            reader = RunReader(self.run_directory, home, clock=self._clock)
            while not worker.is_cancelled and not self._leaving.is_set():
                if (snapshot := reader.poll()) is not None:
                    self._taken.clear()
                    self.post_message(self.Read(snapshot))
                    # A screen that falls behind gets one larger snapshot instead of a queue.
                    self._taken.wait()
                self._leaving.wait(period())
        except RunNotFound:
            self.post_message(
                self.Told("This run was deleted; what is shown was read before", True)
            )

    @on(Read)
    def _show(self, event: Read) -> None:
        before, snapshot = self.snapshot, event.snapshot
        self.snapshot = snapshot
        with self.app.batch_update():
            self._put(snapshot, fresh=before is None or snapshot.state is not before.state)
        self._taken.set()
        if before is None or _keys(before) != _keys(snapshot):
            self.refresh_bindings()
        self._move_on(snapshot)

    def _put(self, snapshot: RunSnapshot, *, fresh: bool) -> None:
        """Put a snapshot on screen; `fresh` when its events are new."""
        state, live = snapshot.state, snapshot.summary.is_live
        printed = snapshot.console
        log = self.query_one(LogPane)
        log.append_lines(printed.lines, skipped=printed.skipped, unfinished=printed.unfinished)
        self.set_class(snapshot.identity.kind == "dataset", "-dataset")
        self.set_class(bool(state.samples), "-has-samples")
        self.set_class(not live, "-ended")
        self.set_class(snapshot.summary.state in ("failed", "crashed"), "-went-wrong")
        self.query_one(StateLine).show(snapshot)
        self.query_one(PhaseStrip).show_run(snapshot)
        self.query_one(ProgressLine).show(snapshot)
        for figures in self.query(FigureList):
            figures.show(snapshot)
        self.query_one(OutcomeBox).show(describe_outcome(snapshot, log.lines[-CAUSE_LINES:]))
        if fresh:
            self._put_warning(snapshot)
            chart = self.query_one(MetricChart)
            chart.placeholder = _waiting_for(snapshot)
            series = state.series
            chart.show(Curves(series.get("loss", ()), series.get("eval_loss", ())))
            self.query_one(SamplePane).show(state)

    def _put_warning(self, snapshot: RunSnapshot) -> None:
        line, warnings = self.query_one("#warning", TextLine), snapshot.state.warnings
        line.display = bool(warnings)
        if warnings:
            more = f"  ({len(warnings)} warnings)" if len(warnings) > 1 else ""
            line.show(
                Content.assemble(("! ", "bold $warning"), shorten(warnings[-1].message), more)
            )

    def _move_on(self, snapshot: RunSnapshot) -> None:
        """Go to the run that waited for this one, if its end was watched from the log's end."""
        self._seen_at_work |= snapshot.summary.is_live
        finished = self._seen_at_work and snapshot.summary.state == "done"
        if not finished or self._moved_on or snapshot.successor is None or not self.is_current:
            return
        self._moved_on = True
        if self.query_one(LogPane).following:
            self.notify(f"{sanitize(snapshot.identity.name)} is done; this is the run after it")
            self.action_next_run()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what cannot be done now; hide what never can for this kind of run."""
        snapshot = self.snapshot
        if action == "stop" and self._can_retry:
            return False  # 80 columns hold the keys of an ended run only without it
        if action == "stop":
            return True if snapshot is not None and snapshot.summary.is_live else None
        if action == "next_run":
            return True if snapshot is not None and snapshot.successor is not None else None
        if action == "retry":
            return self._can_retry
        if action == "train":
            if snapshot is None or snapshot.identity.kind != "dataset":
                return False
            return True if snapshot.summary.state == "done" else None
        if action == "samples":
            return snapshot is None or snapshot.identity.kind == "training"
        return True

    @property
    def _can_retry(self) -> bool:
        """Whether the run has ended with an error that a change of its settings helps against."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.summary.is_live or snapshot.state.error is None:
            return False
        return bool(snapshot.state.error.changes)

    def action_follow(self) -> None:
        """Show the newest line and keep to it."""
        self.remove_class("-samples")
        self.query_one(LogPane).follow()

    def action_samples(self) -> None:
        """Show samples and warnings in the place of the log, or the log again."""
        self.toggle_class("-samples")
        if self.has_class("-samples"):
            self.query_one(SamplePane).focus()
        else:
            self.query_one(LogPane).focus_lines()

    def action_back(self) -> None:
        """Close this view; the run goes on."""
        self.dismiss()

    def action_next_run(self) -> None:
        """Show the run that waits for this one, in the place of this view."""
        if self.snapshot is not None and self.snapshot.successor is not None:
            shell = shell_of(self.app)
            self.dismiss()
            shell.open_run(self.snapshot.successor)

    def action_train(self) -> None:
        """Set up a training run on the dataset that this run made."""
        if self.snapshot is not None:
            made = self.snapshot.state.results.get("dataset", self.run_directory.dataset)
            shell_of(self.app).use_dataset(str(made))

    def action_copy_log(self) -> None:
        """Copy the selected text, else the last lines; write them to a file too."""
        text = self.get_selected_text() or self.query_one(LogPane).tail(
            max_lines=COPIED_LINES, max_bytes=COPIED_BYTES
        )
        path = shell_of(self.app).home / "copied" / f"{self.run_directory.id}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.replace(path, text.encode())
        except OSError as error:
            self.notify(f"Cannot write {path}: {error.strerror}", severity="error")
            return
        self.app.copy_to_clipboard(text)
        lines = text.count("\n") + (not text.endswith("\n"))
        self.notify(f"{lines} lines are in the clipboard and in {path}")

    def action_retry(self) -> None:
        """Ask, then start a run with the changes that the error names, and show it."""
        if self.snapshot is not None:
            name, left = self.snapshot.identity.name, self.snapshot.state.checkpoints
            last_step = left[-1].step if left else None
            dialog = RetryDialog(self.run_directory, sanitize(name), last_step=last_step)
            self.app.push_screen(dialog, self._retried)

    def _retried(self, run: RunDirectory | None) -> None:
        if run is not None:
            shell = shell_of(self.app)
            self.dismiss()
            shell.open_run(run)

    def action_stop(self) -> None:
        """Ask how, then stop the run."""
        if self.snapshot is not None:
            dialog = StopDialog(self.snapshot.summary, self.snapshot.request)
            self.app.push_screen(dialog, self._stop_chosen)

    def _stop_chosen(self, way: Way | None) -> None:
        if way is not None:
            self._stop(way)

    @work(thread=True, exit_on_error=False, group="stop")
    def _stop(self, way: Way) -> None:
        try:
            self.post_message(self.Told(stop(self.run_directory, way)))
        except (control.NotStopped, OSError) as error:
            self.post_message(self.Told(str(error), failed=True))

    @on(Told)
    def _tell(self, event: Told) -> None:
        severity = "error" if event.failed else "information"
        self.notify(event.text, severity=severity, markup=False)

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """A reader that cannot read (no rights, disk gone) says so; the screen stays."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            shell_of(self.app).report_error(event.worker.error)


def _keys(snapshot: RunSnapshot) -> tuple[object, ...]:
    """What decides which keys apply."""
    return snapshot.summary.state, snapshot.successor, snapshot.identity.kind


def _waiting_for(snapshot: RunSnapshot) -> str:
    """What an empty chart says."""
    if snapshot.summary.is_live:
        return "The curve begins with the first training step."
    return "The run ended before its first training step."
