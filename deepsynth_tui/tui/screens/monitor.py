"""The view of one run, live or ended. It only reads: closing it never stops anything.

A thread polls the run directory and posts a frozen snapshot whenever something has changed; the
handlers here show it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.worker import get_current_worker

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, RunUnreadable
from deepsynth_tui.runs.private_folder import make_private
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.background import READERS, Handover
from deepsynth_tui.tui.run_view.answers import one_line
from deepsynth_tui.tui.run_view.dataset_figures import drawn_figures, left_out
from deepsynth_tui.tui.run_view.device_figures import device_figures
from deepsynth_tui.tui.run_view.metrics import (
    DEFAULT_METRICS,
    MAX_SHOWN,
    available_metrics,
    load_choice,
    metric_curves,
    metric_label,
    save_choice,
)
from deepsynth_tui.tui.run_view.outcome import CAUSE_LINES, describe_outcome
from deepsynth_tui.tui.run_view.reader import Clock, RunReader, RunSnapshot
from deepsynth_tui.tui.run_view.result_line import result_of
from deepsynth_tui.tui.screens.acts_on_runs import RESUMABLE, ActsOnRuns
from deepsynth_tui.tui.screens.retry import RetryDialog
from deepsynth_tui.tui.screens.run_dialog import ChooseSome
from deepsynth_tui.tui.screens.try_out import TryOutScreen
from deepsynth_tui.tui.screens.zooms_panes import ZoomsPanes
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.log_pane import LogPane
from deepsynth_tui.tui.widgets.metric_chart import Curves, MetricChart
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.outcome_box import OutcomeBox
from deepsynth_tui.tui.widgets.panes import DevicePane, FactsPane, MetricPane
from deepsynth_tui.tui.widgets.result_line import ResultLine
from deepsynth_tui.tui.widgets.run_header import FigureLine, StateLine, TextLine
from deepsynth_tui.tui.widgets.sample_pane import PagePane, SamplePane

READING_PAUSE = 0.02
"""Seconds between two polls of a long log, which leave time to draw."""
_ALWAYS = ("back", "zoom", "pane", "search", "level", "follow", "copy_log")
MAX_COPIED_LINES = 200
MAX_COPIED_BYTES = 48 * 1024
"""How much of the log is copied: terminals cut off longer clipboard sequences (OSC 52)."""


def poll_seconds() -> float:
    """Return the time between two polls; over SSH each repaint of the log is network traffic."""
    return 0.5 if os.environ.get("SSH_CONNECTION") else 0.25


class MonitorScreen(ZoomsPanes, ActsOnRuns):
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
        self._metrics = DEFAULT_METRICS
        self._handover = Handover()

    @property
    def takes_keys(self) -> bool:
        """Whether the run has been read, which says what keys apply to it."""
        return self.snapshot is not None

    def compose(self) -> ComposeResult:
        yield ModeBar("runs")
        yield StateLine(id="state")
        yield ResultLine(id="result")
        yield FigureLine(id="figures")
        yield TextLine(id="warning")
        yield OutcomeBox(id="outcome")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield MetricChart("loss", id="chart")
                with Horizontal(id="metrics"):
                    for number in range(MAX_SHOWN):
                        yield MetricPane(id=f"metric-{number}")
                yield FactsPane(id="drawn")
                yield FactsPane(id="left-out")
            with Vertical(id="right"):
                yield DevicePane(id="device")
                yield SamplePane(id="samples")
                yield PagePane(id="page")
        yield LogPane(id="log")
        yield DiffedFooter()

    def on_mount(self) -> None:
        self.add_class("-overview")
        self.query_one("#drawn").border_title = "pages drawn"
        self.query_one("#left-out").border_title = "left out, and warnings"
        self._metrics = load_choice(self._choice_file())
        self._poll_run(app_api(self.app).home)

    def on_unmount(self) -> None:
        """Let the polling thread end."""
        self._handover.close()

    @work(thread=True, exclusive=True, exit_on_error=False, group=READERS)
    def _poll_run(self, home: Path) -> None:
        worker = get_current_worker()
        try:
            reader = RunReader(self.run_directory, home, clock=self._clock)
            while not worker.is_cancelled and not self._handover.is_closed:
                if (snapshot := reader.poll()) is not None:
                    message = self.Changed(snapshot)
                    self._handover.post(partial(self.post_message, message))
                    reader.search_reference()
                self._handover.pause(READING_PAUSE if reader.is_behind else poll_seconds())
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
        self._handover.shown()
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
        self.query_one(FigureLine).show(snapshot)
        self.query_one(ResultLine).show(result_of(snapshot))
        self.query_one(OutcomeBox).show(describe_outcome(snapshot, log.last_lines(CAUSE_LINES)))
        self._show_curves(snapshot)
        if has_events:
            self._show_last_warning(snapshot)
            if snapshot.identity.kind == "dataset":
                self.query_one("#drawn", FactsPane).show(drawn_figures(snapshot))
                self.query_one("#left-out", FactsPane).show(left_out(state))
                self.query_one(PagePane).show(state.first_page)
            else:
                self._show_metrics(state)
                self.query_one(DevicePane).show(device_figures(state))
                self.query_one(SamplePane).show(state)

    def _show_curves(self, snapshot: RunSnapshot) -> None:
        chart, series = self.query_one(MetricChart), snapshot.state.series
        chart.placeholder = _empty_chart_text(snapshot)
        reference = snapshot.reference
        chart.show(
            Curves(
                series.get("loss", ()),
                series.get("eval_loss", ()),
                reference.loss if reference else (),
                reference.name if reference else "",
            )
        )

    def _show_metrics(self, state: RunState) -> None:
        panes = self.query(MetricPane)
        for pane, curve in zip(panes, metric_curves(state, self._metrics), strict=False):
            pane.show(curve)
        for number, pane in enumerate(panes):
            pane.set_class(number >= len(self._metrics), "-unused")

    def _show_last_warning(self, snapshot: RunSnapshot) -> None:
        line, warnings = self.query_one("#warning", TextLine), snapshot.state.warnings
        line.display = bool(warnings)
        if warnings:
            count = f"  ({len(warnings)} warnings)" if len(warnings) > 1 else ""
            line.show(
                Content.assemble(("! ", "bold $warning"), one_line(warnings[-1].message), count)
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
        if snapshot is None:
            return action in _ALWAYS or None
        is_live, is_training = snapshot.summary.is_live, snapshot.identity.kind == "training"
        match action:
            case "stop":
                return is_live
            case "resume":
                return not is_live and snapshot.summary.state in RESUMABLE
            case "next_run":
                return snapshot.successor is not None
            case "retry":
                return self._can_retry
            case "train" | "copy_path" | "copy_code":
                return result_of(snapshot) is not None
            case "try_out":
                result = result_of(snapshot)
                return result is not None and result.what == "adapter"
            case "samples" | "sample" | "log_scale" | "smoothing" | "metrics":
                return is_training
            case _:
                return True

    @property
    def _can_retry(self) -> bool:
        """Whether the run has ended with an error that suggests a change of its settings."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.summary.is_live or snapshot.state.error is None:
            return False
        return bool(snapshot.state.error.changes)

    # Panes

    def panes(self) -> list[Widget]:
        """Return the panes that this kind of run has, in the order of the Tab key."""
        if self.has_class("-dataset"):
            return [self.query_one(name) for name in ("#log", "#drawn", "#left-out", "#page")]
        shown = [self.query_one(f"#metric-{i}") for i in range(len(self._metrics))]
        return [
            self.query_one("#log"),
            self.query_one("#chart"),
            *shown,
            self.query_one("#device"),
            self.query_one("#samples"),
        ]

    def action_samples(self) -> None:
        """Show samples alone, or all panes again."""
        samples = self.query_one(SamplePane)
        self.zoom(None if self.zoomed is samples else samples)

    def action_sample(self, by: int) -> None:
        """Show the answers to another page."""
        self.query_one(SamplePane).turn(by)

    def action_log_scale(self) -> None:
        """Show the loss on a logarithmic or a linear scale."""
        chart = self.query_one(MetricChart)
        chart.log_scale = not chart.log_scale

    def action_smoothing(self) -> None:
        """Show the loss smoothed or as it is."""
        chart = self.query_one(MetricChart)
        chart.smoothing = not chart.smoothing

    def action_metrics(self) -> None:
        """Ask which metrics to show, now and in other runs."""
        if self.snapshot is None:
            return
        choices = [(name, metric_label(name)) for name in available_metrics(self.snapshot.state)]
        dialog = ChooseSome("Metrics beside the loss", choices, self._metrics, MAX_SHOWN)
        self.app.push_screen(dialog, self._use_metrics)

    def _use_metrics(self, names: tuple[str, ...] | None) -> None:
        if names and self.snapshot is not None:
            self._metrics = names
            self._show_metrics(self.snapshot.state)
            save_choice(self._choice_file(), names)

    def _choice_file(self) -> Path:
        return app_api(self.app).home / "monitor.json"

    def action_search(self) -> None:
        """Ask for a text that the shown lines of the log have."""
        if self.zoomed is not None:
            self.zoom(self.query_one(LogPane))
        self.query_one(LogPane).search()

    def action_level(self) -> None:
        """Show only warnings and errors of the log, only errors, or all lines."""
        self.query_one(LogPane).next_level()

    def action_follow(self) -> None:
        """Show the newest line of the log and follow it."""
        if self.zoomed is not None:
            self.zoom(self.query_one(LogPane))
        self.query_one(LogPane).follow()

    # Actions on the run

    def action_back(self) -> None:
        """Show all panes again, or close this view; the run continues."""
        if self.zoomed is not None:
            self.zoom(None)
        else:
            self.dismiss()

    def action_next_run(self) -> None:
        """Show the run that waits for this one, instead of this view."""
        if self.snapshot is not None and self.snapshot.successor is not None:
            self._show_run_instead(self.snapshot.successor)

    def action_train(self) -> None:
        """Set up a training run: on the dataset that this run made, or from its adapter."""
        result = None if self.snapshot is None else result_of(self.snapshot)
        if result is None:
            return
        if result.what == "dataset":
            app_api(self.app).use_dataset(str(result.path))
        else:
            self._read_settings(result.path)

    @work(thread=True, exclusive=True, exit_on_error=False, group="settings")
    def _read_settings(self, adapter: Path) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.config.load import load_file
        from deepsynth_tui.config.problems import ConfigError

        try:
            config = load_file(self.run_directory.config, of_run=True).config
        except (ConfigError, OSError) as error:
            title = "These settings cannot be used"
            self.notify(str(error), title=title, severity="error", markup=False)
            return
        values = config.model_dump(mode="json", exclude_unset=True)
        values["lora"] = {**values.get("lora", {}), "init_from": str(adapter)}
        values["name"] = f"{config.name}-more"
        values.pop("output", None)
        self.app.call_from_thread(app_api(self.app).use_config, values, "training")

    def action_try_out(self) -> None:
        """Ask for a page, and show the answers of the adapter and its base model to it."""
        result = None if self.snapshot is None else result_of(self.snapshot)
        if result is not None:
            self.app.push_screen(TryOutScreen([str(result.path)]))

    def action_copy_path(self) -> None:
        """Copy the path of what the run made."""
        if self.snapshot is not None and (result := result_of(self.snapshot)):
            self.app.copy_to_clipboard(str(result.path))
            self.notify(str(result.path), title=f"Copied the path of the {result.what}")

    def action_copy_code(self) -> None:
        """Copy the Python code that loads what the run made."""
        if self.snapshot is not None and (result := result_of(self.snapshot)):
            self.app.copy_to_clipboard(result.python)
            self.notify(result.python, title="Copied Python code")

    def action_resume(self) -> None:
        """Resume the run from its last checkpoint or shard."""
        if self.snapshot is not None:
            self.resume_run(self.snapshot.summary)

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
    return (
        snapshot.summary.state,
        snapshot.successor,
        snapshot.identity.kind,
        snapshot.state.results,
    )


def _empty_chart_text(snapshot: RunSnapshot) -> str:
    if snapshot.summary.is_live:
        return "The curve starts at the first training step."
    return "The run ended before its first training step."
