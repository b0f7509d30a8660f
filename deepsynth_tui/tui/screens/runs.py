"""The list of all runs of this machine, live and ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from deepsynth_tui.runs import control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.summary import RunSummary, iterate_summaries
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.run_view.reader import Clock
from deepsynth_tui.tui.screens.stop import StopsRuns
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.run_table import RunRow, RunTable, run_rows

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind

POLL_SECONDS = 2.0
"""Time between two polls of the run directories."""
PART_SECONDS = 0.2
"""Time until the rows read so far are shown, doubled each time."""
_NO_RUNS = Content.assemble(
    ("No runs yet.", "bold"),
    f"\n\n{key_of('app.dataset')} makes a dataset from documents.\n"
    f"{key_of('app.training')} fine-tunes a model on a dataset.\n\n",
    ("deepsynth-tui demo", "bold"),
    "  in a shell does both with built-in data in a few minutes.",
)


class RunsScreen(StopsRuns):
    """The list of runs. It polls their directories while it is visible."""

    CSS_PATH = "runs.tcss"
    BINDINGS = bindings("runs")
    AUTO_FOCUS = "RunTable"

    @dataclass
    class Changed(Message):
        """The list of runs has changed; `is_complete` unless more are being read."""

        rows: tuple[RunRow, ...]
        is_complete: bool = True

    @dataclass
    class SettingsRead(Message):
        """The settings of a run were read."""

        values: Mapping[str, Any]
        kind: RunKind

    def __init__(self, *, clock: Clock = time.time) -> None:
        super().__init__()
        self.rows: tuple[RunRow, ...] | None = None
        self._is_complete = False
        self._clock = clock
        self._visible = threading.Event()
        self._end_polling = threading.Event()

    def compose(self) -> ComposeResult:
        yield ModeBar("runs")
        yield Static(_NO_RUNS, id="empty")
        yield RunTable(id="table")
        yield Static("Reading the runs …", id="details")
        yield DiffedFooter()

    def on_mount(self) -> None:
        self._poll_runs(app_api(self.app).home)

    def on_screen_resume(self) -> None:
        """Poll again at once."""
        self._visible.set()

    def on_screen_suspend(self) -> None:
        """Stop polling while another screen is shown."""
        self._visible.clear()

    def on_unmount(self) -> None:
        """Let the polling thread end."""
        self._end_polling.set()
        self._visible.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group="reader")
    def _poll_runs(self, home: Path) -> None:
        worker = get_current_worker()
        previous: tuple[RunRow, ...] | None = None
        while not worker.is_cancelled and not self._end_polling.is_set():
            now = self._clock()
            current = self._read_rows(home, now, show_parts=previous is None)
            if current != previous:
                previous = current
                self.post_message(self.Changed(current))
            self._end_polling.wait(POLL_SECONDS)
            self._visible.wait()

    def _read_rows(self, home: Path, now: float, *, show_parts: bool) -> tuple[RunRow, ...]:
        """Read all runs; with `show_parts`, post the rows read so far from time to time."""
        summaries: list[RunSummary] = []
        pause, next_part = PART_SECONDS, time.monotonic() + PART_SECONDS
        for summary in iterate_summaries(home, now):
            summaries.append(summary)
            if show_parts and time.monotonic() >= next_part:
                self.post_message(self.Changed(run_rows(summaries, now), is_complete=False))
                pause *= 2  # a longer table takes longer to show
                next_part = time.monotonic() + pause
        return run_rows(summaries, now)

    @on(Changed)
    def _show_rows(self, event: Changed) -> None:
        self.rows = event.rows
        self._is_complete = event.is_complete
        self.set_class(not event.rows, "-empty")
        self.query_one(RunTable).show(event.rows)
        self._show_details()

    @on(DataTable.RowHighlighted)
    def _show_details(self) -> None:
        """Show the path of the highlighted run, the command that watches it, and its message."""
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
        if self.rows is not None and not self._is_complete:
            lines.append(("list", f"{len(self.rows)} runs so far, reading more …"))
        details.update(label_grid(lines))

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what the highlighted run does not allow."""
        if action not in ("open", "stop", "clone"):
            return True
        run = self._highlighted()
        if run is None or not run.kind:  # without a kind, not even its identity can be read
            return None
        return True if action != "stop" or run.is_live else None

    @on(DataTable.RowSelected)
    def _open_clicked(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Show the highlighted run."""
        if (run := self._highlighted()) and run.kind:
            app_api(self.app).open_run(RunDirectory(run.id, run.path))

    def action_stop(self) -> None:
        """Ask how, then stop the highlighted run."""
        if run := self._highlighted():
            self.ask_to_stop(run, control.pending_request(RunDirectory(run.id, run.path)))

    def action_clone(self) -> None:
        """Set up a new run with the settings of the highlighted run."""
        if run := self._highlighted():
            self._read_settings(RunDirectory(run.id, run.path), cast("RunKind", run.kind))

    def _highlighted(self) -> RunSummary | None:
        return self.query_one(RunTable).highlighted if self.rows else None

    @work(thread=True, exclusive=True, exit_on_error=False, group="settings")
    def _read_settings(self, run: RunDirectory, kind: RunKind) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.config.load import load_file
        from deepsynth_tui.config.problems import ConfigError

        try:
            values = load_file(run.config).config.model_dump(mode="json", exclude_unset=True)
        except (ConfigError, OSError) as error:
            title = "These settings cannot be used"
            self.notify(str(error), title=title, severity="error", markup=False)
        else:
            self.post_message(self.SettingsRead(values, kind))

    @on(SettingsRead)
    def _use_settings(self, event: SettingsRead) -> None:
        app_api(self.app).use_config(event.values, event.kind)
