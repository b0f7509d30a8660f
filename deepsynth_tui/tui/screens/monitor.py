"""The view of one run, live or ended. It only reads: closing it never stops anything.

A thread polls the run directory and posts a frozen snapshot whenever something has changed; the
handlers here show it.
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
from textual.worker import get_current_worker

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, RunUnreadable
from deepsynth_tui.runs.private_folder import make_private
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.run_view.outcome import CAUSE_LINES, describe_outcome
from deepsynth_tui.tui.run_view.reader import Clock, RunReader, RunSnapshot
from deepsynth_tui.tui.screens.retry import RetryDialog
from deepsynth_tui.tui.screens.stop import StopsRuns
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

READING_PAUSE = 0.02
"""Seconds between two polls of a long log, which leave time to draw."""
MAX_COPIED_LINES = 200
MAX_COPIED_BYTES = 48 * 1024
"""How much of the log is copied: terminals cut off longer clipboard sequences (OSC 52)."""


def poll_seconds() -> float:
    """Return the time between two polls; over SSH each repaint of the log is network traffic."""
    return 0.5 if os.environ.get("SSH_CONNECTION") else 0.25


class MonitorScreen(StopsRuns):
    """The view of one run."""

    CSS_PATH = "monitor.tcss"
    BINDINGS = bindings("monitor")
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (60, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (16, "-low"), (30, "-high")]
    AUTO_FOCUS = "LogLines"

    @dataclass
    class Changed(Message):
        """The run has changed."""

        snapshot: RunSnapshot

    def __init__(self, run: RunDirectory, *, clock: Clock = time.time) -> None:
        super().__init__()
        self.run_directory = run
        self.snapshot: RunSnapshot | None = None
        self._clock = clock
        self._was_live = False
        self._has_left = False
        self._shown = threading.Event()
        self._end_polling = threading.Event()

    def compose(self) -> ComposeResult:
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
        self._poll_run(app_api(self.app).home)

    def on_unmount(self) -> None:
        """Let the polling thread end."""
        self._end_polling.set()
        self._shown.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group="reader")
    def _poll_run(self, home: Path) -> None:
        worker = get_current_worker()
        try:
            reader = RunReader(self.run_directory, home, clock=self._clock)
            while not worker.is_cancelled and not self._end_polling.is_set():
                if (snapshot := reader.poll()) is not None:
                    self._shown.clear()
                    self.post_message(self.Changed(snapshot))
                    # A screen that falls behind gets one larger snapshot instead of a queue.
                    self._shown.wait()
                self._end_polling.wait(READING_PAUSE if reader.is_behind else poll_seconds())
        except RunNotFound:
            self.notify(
                "This view shows its last state.", title="The run was deleted", severity="error"
            )
        except (RunUnreadable, OSError) as error:
            self.notify(str(error), title="The run cannot be read", severity="error", markup=False)

    # Showing a snapshot

    @on(Changed)
    def _show_change(self, event: Changed) -> None:
        previous, snapshot = self.snapshot, event.snapshot
        self.snapshot = snapshot
        with self.app.batch_update():
            has_events = previous is None or snapshot.state is not previous.state
            self._show_snapshot(snapshot, has_events=has_events)
        self._shown.set()
        if previous is None or _applicability(previous) != _applicability(snapshot):
            self.refresh_bindings()
        self._follow_successor(snapshot)

    def _show_snapshot(self, snapshot: RunSnapshot, *, has_events: bool) -> None:
        """Show a snapshot; `has_events` says that its state is another."""
        state, is_live = snapshot.state, snapshot.summary.is_live
        console = snapshot.console
        log = self.query_one(LogPane)
        log.append_lines(console.lines, skipped=console.skipped, unfinished=console.unfinished)
        self.set_class(snapshot.identity.kind == "dataset", "-dataset")
        self.set_class(bool(state.samples), "-has-samples")
        self.set_class(not is_live, "-ended")
        self.set_class(snapshot.summary.state in ("failed", "crashed"), "-went-wrong")
        self.query_one(StateLine).show(snapshot)
        self.query_one(PhaseStrip).show_run(snapshot)
        self.query_one(ProgressLine).show(snapshot)
        for figures in self.query(FigureList):
            figures.show(snapshot)
        self.query_one(OutcomeBox).show(describe_outcome(snapshot, log.lines[-CAUSE_LINES:]))
        if has_events:
            self._show_last_warning(snapshot)
            chart = self.query_one(MetricChart)
            chart.placeholder = _empty_chart_text(snapshot)
            series = state.series
            chart.show(Curves(series.get("loss", ()), series.get("eval_loss", ())))
            self.query_one(SamplePane).show(state)

    def _show_last_warning(self, snapshot: RunSnapshot) -> None:
        line, warnings = self.query_one("#warning", TextLine), snapshot.state.warnings
        line.display = bool(warnings)
        if warnings:
            count = f"  ({len(warnings)} warnings)" if len(warnings) > 1 else ""
            line.show(
                Content.assemble(("! ", "bold $warning"), shorten(warnings[-1].message), count)
            )

    def _follow_successor(self, snapshot: RunSnapshot) -> None:
        """Show the run that waited for this one, if this one ended while its log was followed."""
        self._was_live |= snapshot.summary.is_live
        is_done = self._was_live and snapshot.summary.state == "done"
        if not is_done or self._has_left or snapshot.successor is None or not self.is_current:
            return
        self._has_left = True
        if self.query_one(LogPane).following:
            name = sanitize(snapshot.identity.name)
            self.notify(f"{name} is done. This is the next run.", markup=False)
            self.action_next_run()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what cannot be done now, and hide what a run of this kind never allows."""
        snapshot = self.snapshot
        if action == "stop" and self._can_retry:
            return False  # otherwise 80 columns do not hold the keys of an ended run
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
        """Whether the run has ended with an error that suggests a change of its settings."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.summary.is_live or snapshot.state.error is None:
            return False
        return bool(snapshot.state.error.changes)

    def action_follow(self) -> None:
        """Show the newest line of the log and follow it."""
        self.remove_class("-samples")
        self.query_one(LogPane).follow()

    def action_samples(self) -> None:
        """Show samples and warnings instead of the log, or the log again."""
        self.toggle_class("-samples")
        if self.has_class("-samples"):
            self.query_one(SamplePane).focus()
        else:
            self.query_one(LogPane).focus_lines()

    def action_back(self) -> None:
        """Close this view; the run continues."""
        self.dismiss()

    def action_next_run(self) -> None:
        """Show the run that waits for this one, instead of this view."""
        if self.snapshot is not None and self.snapshot.successor is not None:
            self._show_run_instead(self.snapshot.successor)

    def action_train(self) -> None:
        """Set up a training run on the dataset that this run made."""
        if self.snapshot is not None:
            dataset = self.snapshot.state.results.get("dataset", self.run_directory.dataset)
            app_api(self.app).use_dataset(str(dataset))

    def action_copy_log(self) -> None:
        """Copy the selected text, or else the last lines, to the clipboard and to a file."""
        text = self.get_selected_text() or self.query_one(LogPane).tail(
            max_lines=MAX_COPIED_LINES, max_bytes=MAX_COPIED_BYTES
        )
        path = app_api(self.app).home / "copied" / f"{self.run_directory.id}.log"
        try:
            make_private(path.parent)
            atomic.replace(path, text.encode())
        except OSError as error:
            message = f"Cannot write {path}: {error.strerror}"
            self.notify(message, title="Not copied", severity="error", markup=False)
            return
        self.app.copy_to_clipboard(text)
        count = len(text.splitlines())
        lines = "1 line" if count == 1 else f"{count} lines"
        self.notify(f"Also in {path}", title=f"Copied {lines}", markup=False)

    def action_retry(self) -> None:
        """Ask, then start a run with the changes that the error suggests, and show it."""
        if self.snapshot is not None:
            name, checkpoints = self.snapshot.identity.name, self.snapshot.state.checkpoints
            last_step = checkpoints[-1].step if checkpoints else None
            dialog = RetryDialog(self.run_directory, sanitize(name), last_step=last_step)
            self.app.push_screen(dialog, self._show_run_instead)

    def action_stop(self) -> None:
        """Ask how, then stop the run."""
        if self.snapshot is not None:
            self.ask_to_stop(self.snapshot.summary, self.snapshot.request)

    def _show_run_instead(self, run: RunDirectory | None) -> None:
        """Close this view and show `run`; do nothing for None."""
        if run is not None:
            api = app_api(self.app)
            self.dismiss()
            api.open_run(run)


def _applicability(snapshot: RunSnapshot) -> tuple[object, ...]:
    """Return everything in a snapshot that decides which actions apply."""
    return snapshot.summary.state, snapshot.successor, snapshot.identity.kind


def _empty_chart_text(snapshot: RunSnapshot) -> str:
    if snapshot.summary.is_live:
        return "The curve starts at the first training step."
    return "The run ended before its first training step."
