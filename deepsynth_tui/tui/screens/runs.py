"""All runs of this machine, running and ended, as their directories tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Static
from textual.worker import Worker, WorkerState, get_current_worker

from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.runs import control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary, list_summaries
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.run_view.reader import Clock
from deepsynth_tui.tui.screens.stop import StopDialog, Way, stop
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.run_table import RunRow, RunTable, run_rows

PERIOD = 2.0
"""Seconds between two looks at the run directories."""
_EMPTY = Content.assemble(
    ("No runs yet.", "bold"),
    f"\n\n{key_of('app.dataset')} makes a dataset from documents.\n"
    f"{key_of('app.training')} fine-tunes a model on a dataset.\n\n",
    ("deepsynth-tui demo", "bold"),
    "  in a shell does both with what is built in, in some minutes.",
)


class RunsScreen(Screen[None]):
    """The list of runs. It follows their directories while it is the screen in view."""

    CSS_PATH = "runs.tcss"
    BINDINGS = bindings("runs")
    AUTO_FOCUS = "RunTable"

    @dataclass
    class Found(Message):
        """The runs there are, as they are now."""

        rows: tuple[RunRow, ...]

    @dataclass
    class Told(Message):
        """A thread has something to say to the person."""

        text: str
        failed: bool = False

    @dataclass
    class Settings(Message):
        """The settings of a run were read."""

        values: Mapping[str, Any]
        kind: RunKind

    def __init__(self, *, clock: Clock = time.time) -> None:
        super().__init__()
        self.rows: tuple[RunRow, ...] | None = None
        self._clock = clock
        self._in_view = threading.Event()
        self._leaving = threading.Event()

    def compose(self) -> ComposeResult:
        """Modes, table, details of the highlighted run, keys."""
        yield ModeBar("runs")
        yield Static(_EMPTY, id="empty")
        yield RunTable(id="table")
        yield Static(id="details")
        yield DiffedFooter()

    def on_mount(self) -> None:
        """Begin to look."""
        self._look(shell_of(self.app).home)

    def on_screen_resume(self) -> None:
        """Look again at once."""
        self._in_view.set()

    def on_screen_suspend(self) -> None:
        """Nobody sees the list: let the directories rest."""
        self._in_view.clear()

    def on_unmount(self) -> None:
        """Let the looking thread end."""
        self._leaving.set()
        self._in_view.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group="looking")
    def _look(self, home: Path) -> None:
        worker = get_current_worker()
        before: tuple[RunRow, ...] | None = None
        while not worker.is_cancelled and not self._leaving.is_set():
            now = self._clock()
            found = run_rows(list_summaries(home, now), now)
            if found != before:
                before = found
                self.post_message(self.Found(found))
            self._leaving.wait(PERIOD)
            self._in_view.wait()

    @on(Found)
    def _show(self, event: Found) -> None:
        self.rows = event.rows
        self.set_class(not event.rows, "-empty")
        self.query_one(RunTable).show(event.rows)
        self._show_details()

    @on(DataTable.RowHighlighted)
    def _show_details(self) -> None:
        """Where the highlighted run is and how to come back to it."""
        run = self.query_one(RunTable).highlighted
        self.refresh_bindings()
        details = self.query_one("#details", Static)
        if run is None:
            details.update("")
            return
        lines: list[tuple[str, str | Text]] = [
            ("path", sanitize(str(run.path))),
            ("watch", f"deepsynth-tui attach {run.id}"),
        ]
        if run.message:
            lines.append((run.state, sanitize(run.message)))
        details.update(label_grid(lines))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Grey what the highlighted run does not allow."""
        if action not in ("open", "stop", "clone"):
            return True
        run = self._highlighted()
        if run is None:
            return None
        return True if action != "stop" or run.is_live else None

    @on(DataTable.RowSelected)
    def _clicked(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Watch the highlighted run."""
        if run := self._highlighted():
            shell_of(self.app).open_run(RunDirectory(run.id, run.path))

    def action_stop(self) -> None:
        """Ask how, then stop the highlighted run."""
        if run := self._highlighted():
            directory = RunDirectory(run.id, run.path)

            def chosen(way: Way | None) -> None:
                if way is not None:
                    self._stop(directory, way)

            self.app.push_screen(StopDialog(run, control.pending_request(directory)), chosen)

    def action_clone(self) -> None:
        """Set up a new run with the settings of the highlighted one."""
        if run := self._highlighted():
            self._read_settings(RunDirectory(run.id, run.path), cast("RunKind", run.kind))

    def _highlighted(self) -> RunSummary | None:
        return self.query_one(RunTable).highlighted if self.rows else None

    @work(thread=True, exit_on_error=False, group="stop")
    def _stop(self, run: RunDirectory, way: Way) -> None:
        try:
            self.post_message(self.Told(stop(run, way)))
        except (control.NotStopped, OSError) as error:
            self.post_message(self.Told(str(error), failed=True))

    @work(thread=True, exclusive=True, exit_on_error=False, group="settings")
    def _read_settings(self, run: RunDirectory, kind: RunKind) -> None:
        # Deferred: pydantic takes half as long to import as Textual takes to start.
        from deepsynth_tui.config.load import load_file
        from deepsynth_tui.config.problems import ConfigError

        try:
            values = load_file(run.config).config.model_dump(mode="json", exclude_unset=True)
        except (ConfigError, OSError) as error:
            self.post_message(self.Told(f"Cannot use these settings: {error}", failed=True))
        else:
            self.post_message(self.Settings(values, kind))

    @on(Settings)
    def _use_settings(self, event: Settings) -> None:
        shell_of(self.app).use_config(event.values, event.kind)

    @on(Told)
    def _tell(self, event: Told) -> None:
        severity = "error" if event.failed else "information"
        self.notify(event.text, severity=severity, markup=False)

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """A list that cannot read (no rights, disk gone) says so; the screen stays."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            shell_of(self.app).report_error(event.worker.error)
