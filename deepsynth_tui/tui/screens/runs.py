"""The list of all runs of this machine, live and ended."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from deepsynth_tui.queue.wake import wake
from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import RunSummary, iterate_summaries
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.background import READERS
from deepsynth_tui.tui.run_view.reader import Clock
from deepsynth_tui.tui.run_view.run_list import (
    SORT_KEYS,
    RunFactsReader,
    RunRow,
    SortKey,
    arrange,
    describe,
    run_rows,
)
from deepsynth_tui.tui.screens.acts_on_runs import RESUMABLE
from deepsynth_tui.tui.screens.compare import CompareScreen
from deepsynth_tui.tui.screens.queues_runs import QueuesRuns
from deepsynth_tui.tui.screens.trials import TrialsScreen
from deepsynth_tui.tui.widgets.filter_input import FilterInput
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.tui.widgets.run_details import RunDetails
from deepsynth_tui.tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind

POLL_SECONDS = 2.0
"""Time between two polls of the run directories."""
PART_SECONDS = 0.2
"""Time until the rows read so far are shown, doubled each time."""


def _more_keys() -> str:
    actions = ("sort", "rename", "extend", "clone", "archive", "delete")
    return "   ".join(f"{key_of(f'runs.{action}')} {action}" for action in actions)


def _no_runs() -> Content:
    return Content.assemble(
        ("No runs yet.", "bold"),
        f"\n\n{key_of('app.dataset')} makes a dataset from documents.\n"
        f"{key_of('app.training')} fine-tunes a model on a dataset.\n\n",
        ("deepsynth-tui demo", "bold"),
        "  in a shell does both with built-in data in a few minutes.",
    )


class RunsScreen(QueuesRuns):
    """The list of runs. It polls their directories while it is visible."""

    CSS_PATH = "runs.tcss"
    BINDINGS = bindings("runs")
    AUTO_FOCUS = "RunTable"

    @dataclass
    class Changed(Message):
        """The list of runs has changed; `is_complete` unless more are being read."""

        rows: tuple[RunRow, ...]
        is_complete: bool = True

    def __init__(self, *, clock: Clock = time.time) -> None:
        super().__init__()
        self.rows: tuple[RunRow, ...] | None = None
        self._is_complete = False
        self._filter = ""
        self._sort: SortKey = SORT_KEYS[0]
        self._marked: dict[str, RunSummary] = {}
        self._clock = clock
        self._is_archived = False
        self._visible = threading.Event()
        self._poll_at_once = threading.Event()

    def compose(self) -> ComposeResult:
        yield ModeBar("runs")
        yield Static(_no_runs(), id="empty")
        yield RunTable(id="table")
        yield RunDetails("Reading the runs …", id="details")
        yield FilterInput(
            placeholder="Filter by name, state, model, method or dataset", id="filter"
        )
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
        self.workers.cancel_group(self, READERS)
        self._poll_at_once.set()
        self._visible.set()

    def poll_now(self) -> None:
        """Look at the runs again at once. May be called in any thread."""
        self._poll_at_once.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group=READERS)
    def _poll_runs(self, home: Path) -> None:
        worker, reader = get_current_worker(), RunFactsReader()
        previous: tuple[RunRow, ...] | None = None
        _wake_supervisor(home)
        while not worker.is_cancelled:
            now = self._clock()
            rows = self._read_rows(home, now, reader, show_parts=previous is None)
            rows = self._with_facts(rows, now, reader, show_parts=rows != previous)
            if rows != previous:
                previous = rows
                self.post_message(self.Changed(rows))
            self._poll_at_once.wait(POLL_SECONDS)
            self._poll_at_once.clear()
            self._visible.wait()

    def _read_rows(
        self, home: Path, now: float, reader: RunFactsReader, *, show_parts: bool
    ) -> tuple[RunRow, ...]:
        """Read all runs; with `show_parts`, post the rows read so far from time to time."""
        worker = get_current_worker()
        summaries: list[RunSummary] = []
        pause, next_part = PART_SECONDS, time.monotonic() + PART_SECONDS
        for summary in iterate_summaries(home, now, archived=self._is_archived):
            if worker.is_cancelled:
                break
            summaries.append(summary)
            if show_parts and time.monotonic() >= next_part:
                self.post_message(self.Changed(run_rows(summaries, now), is_complete=False))
                pause *= 2  # a longer table takes longer to show
                next_part = time.monotonic() + pause
        return run_rows(summaries, now, reader)

    def _with_facts(
        self, rows: tuple[RunRow, ...], now: float, reader: RunFactsReader, *, show_parts: bool
    ) -> tuple[RunRow, ...]:
        """Return the rows with the facts of each run; post those read so far from time to time."""
        worker = get_current_worker()
        known = list(rows)
        next_part = time.monotonic() + PART_SECONDS
        for index, row in enumerate(rows):
            if worker.is_cancelled:
                break
            if row.facts is None:
                known[index] = replace(row, facts=reader.read(row.summary, now))
            if show_parts and time.monotonic() >= next_part:
                self.post_message(self.Changed(tuple(known)))
                next_part = time.monotonic() + 5 * PART_SECONDS
        return tuple(known)

    @on(Changed)
    def _show_change(self, event: Changed) -> None:
        self.rows = event.rows
        self._is_complete = event.is_complete
        ids = {row.summary.id for row in event.rows}
        if event.is_complete:
            self._marked = {key: run for key, run in self._marked.items() if key in ids}
        self.set_class(not event.rows and not self._is_archived, "-empty")
        self._show_rows()

    def _show_rows(self) -> None:
        rows = arrange(self.rows or (), self._filter, self._sort)
        self.query_one(RunTable).show(rows, sort=self._sort, marked=self._marked)
        self._show_details()

    @on(DataTable.RowHighlighted)
    def _show_details(self) -> None:
        """Show the path of the highlighted run, the command that watches it, and its message."""
        table = self.query_one(RunTable)
        row = table.highlighted_row
        self.refresh_bindings()
        lines = [] if row is None else describe(row)
        if self._is_archived:
            keys = f"{key_of('runs.archive')} brings back, {key_of('runs.archived')} the others"
            lines.insert(0, ("list", f"{len(self.rows or ())} archived: {keys}"))
        if self.rows is not None and self._filter:
            shown = f"{table.row_count} of {len(self.rows)} runs have “{self._filter}”"
            lines.append(("filter", f"{shown}; {key_of('runs.clear')} clears"))
        if self._marked:
            keys = f"{key_of('runs.compare')} compares, {key_of('runs.delete')} deletes"
            lines.append(("marked", f"{len(self._marked)}: {keys}, {key_of('runs.clear')} clears"))
        elif row is not None and not self._filter:
            in_queue = row.summary.position is not None  # not in that of Slurm
            lines.append(("keys", _queue_keys() if in_queue else _more_keys()))
        if self.rows is not None and not self._is_complete:
            lines.append(("list", f"{len(self.rows)} runs so far, reading more …"))
        losses = row.facts.losses if row is not None and row.facts is not None else ()
        self.query_one(RunDetails).show(lines, losses)

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what the highlighted run does not allow."""
        run = self._highlighted()
        match action:
            case "open" | "clone" | "mark":
                # Without a kind, not even the identity of the run can be read.
                return True if run is not None and run.kind else None
            case "stop":
                return run is not None and run.is_live
            case "resume":
                return run is not None and run.state in RESUMABLE
            case "extend":
                return run is not None and run.kind == "training" and not run.is_live
            case "rename":
                return True if run is not None and not run.is_live else None
            case "hold" | "move_in_queue":
                return run is not None and run.position is not None
            case "delete" | "archive":
                return True if self._targets() else None
            case "compare":
                return True if len(self._to_compare()) > 1 else None
            case _:
                return True

    @on(DataTable.RowSelected)
    def _open_clicked(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Show the highlighted run."""
        if (run := self._highlighted()) and run.kind:
            app_api(self.app).open_run(RunDirectory(run.id, run.path))

    def action_filter(self) -> None:
        """Ask for a text; only runs with it are shown."""
        self.query_one(FilterInput).open(self._filter)

    @on(FilterInput.Changed)
    def _filter_rows(self, event: FilterInput.Changed) -> None:
        self._filter = event.value
        self._show_rows()

    @on(FilterInput.Closed)
    def _leave_filter(self) -> None:
        self.query_one(RunTable).focus()

    def action_sort(self) -> None:
        """Sort by the next key."""
        self._sort_by(SORT_KEYS[(SORT_KEYS.index(self._sort) + 1) % len(SORT_KEYS)])

    @on(DataTable.HeaderSelected)
    def _sort_by_column(self, event: DataTable.HeaderSelected) -> None:
        """Sort by the column whose heading is clicked, where runs can be sorted by it."""
        for key in SORT_KEYS:
            if key == event.column_key.value:
                self._sort_by(key)

    def _sort_by(self, key: SortKey) -> None:
        self._sort = key
        self._show_rows()
        self.notify(f"Sorted by {self._sort}")

    def action_mark(self) -> None:
        """Mark the highlighted run, or take its mark away."""
        if run := self._highlighted():
            if self._marked.pop(run.id, None) is None:
                self._marked[run.id] = run
            self._show_rows()

    def action_clear(self) -> None:
        """Remove the filter and all marks."""
        self._filter = ""
        self._marked = {}
        self._show_rows()

    def action_compare(self) -> None:
        """Compare the marked runs; one marked run alone with the highlighted one."""
        runs = [RunDirectory(run.id, run.path) for run in self._to_compare()]
        if len(runs) > 1:
            self.app.push_screen(CompareScreen(runs))

    def _to_compare(self) -> list[RunSummary]:
        runs = dict(self._marked)
        if len(runs) == 1 and (run := self._highlighted()) and run.kind:
            runs[run.id] = run
        return list(runs.values())

    def _targets(self) -> list[RunSummary]:
        """Return the marked runs, else the highlighted one, that have ended."""
        run = self._highlighted()
        runs = list(self._marked.values()) or ([] if run is None else [run])
        return [run for run in runs if not run.is_live]

    def action_resume(self) -> None:
        """Resume the highlighted run from its last checkpoint or shard."""
        if run := self._highlighted():
            self.resume_run(run)

    def action_extend(self) -> None:
        """Ask for a number of steps, and train the highlighted run further."""
        if run := self._highlighted():
            self.ask_to_extend(run)

    def action_rename(self) -> None:
        """Ask for another name of the highlighted run."""
        if run := self._highlighted():
            self.ask_to_rename(run)

    def action_delete(self) -> None:
        """Show what deleting the marked runs, or the highlighted one, frees, and ask."""
        if runs := self._targets():
            self.ask_to_delete(runs)

    def action_hold(self) -> None:
        """Hold the highlighted run in the queue, or release it."""
        if run := self._highlighted():
            self.hold_or_release(run)

    def action_move_in_queue(self, by: int) -> None:
        """Move the highlighted run in the queue."""
        if run := self._highlighted():
            self.move_run(run, by)

    def action_archive(self) -> None:
        """Take the marked runs, or the highlighted one, out of the list, or bring them back."""
        if runs := self._targets():
            self.archive_runs(runs, is_restored=self._is_archived)

    def action_show_archived(self) -> None:
        """List the archived runs, or the others again."""
        self._is_archived = not self._is_archived
        self._marked = {}
        self.poll_now()

    def action_show_search(self) -> None:
        """Show the search of the highlighted trial, or the newest one."""
        run = self._highlighted()
        self.app.push_screen(TrialsScreen(None if run is None else run.path))

    def action_stop(self) -> None:
        """Ask how, then stop the highlighted run."""
        if run := self._highlighted():
            self.ask_to_stop(run, control.pending_request(RunDirectory(run.id, run.path)))

    def action_clone(self) -> None:
        """Set up a new run with the settings of the highlighted run."""
        if run := self._highlighted():
            self.use_settings(RunDirectory(run.id, run.path).config, cast("RunKind", run.kind))

    def _highlighted(self) -> RunSummary | None:
        return self.query_one(RunTable).highlighted if self.rows else None


def _queue_keys() -> str:
    """Return the keys that a run in the queue has."""
    return (
        f"{key_of('runs.earlier')} {key_of('runs.later')} earlier, later   "
        f"{key_of('runs.hold')} hold or release   {key_of('runs.stop')} out of the queue"
    )


def _wake_supervisor(home: Path) -> None:
    """Start the supervisor of the queue where runs wait and there is none."""
    with contextlib.suppress(RunError, OSError):  # the queue says why it waits
        wake(home)
