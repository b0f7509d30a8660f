"""The list of adapters in runs and folders, with the details of one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.child_session import SessionClosed
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.run_view.adapter_rows import filtered
from deepsynth_tui.tui.screens.adapter_work import WorksOnAdapters
from deepsynth_tui.tui.screens.run_dialog import AskText
from deepsynth_tui.tui.screens.try_out import TryOutScreen
from deepsynth_tui.tui.widgets.adapter_pane import AdapterPane
from deepsynth_tui.tui.widgets.adapter_table import AdapterTable
from deepsynth_tui.tui.widgets.filter_input import FilterInput
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.workflows.adapter_look import AdapterDetails, AdapterEntry, AdapterLook

PART_SECONDS = 0.2
"""Time until the adapters read so far are shown, doubled each time."""
REFRESH_SECONDS = 10.0
"""Age of a list that is read again when the screen is shown: every dialog covers it for a while."""


def _more_keys() -> str:
    """Return the keys that the footer has no room for."""
    actions = {
        "details": "details",
        "filter": "filter",
        "delete": "delete",
        "folder": "add a folder",
        "refresh": "read again",
        "copy_path": "path",
    }
    return "   ".join(f"{key_of(f'adapters.{name}')} {text}" for name, text in actions.items())


def _no_adapters() -> Content:
    return Content.assemble(
        ("No adapters yet.", "bold"),
        f"\n\n{key_of('app.training')} trains one; it is listed here when its run is done.\n"
        f"{key_of('adapters.folder')} lists those in a folder or of a Hub id.",
    )


class AdaptersScreen(WorksOnAdapters):
    """The list of adapters. It is read again whenever the screen is shown."""

    CSS_PATH = "adapters.tcss"
    BINDINGS = bindings("adapters")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    AUTO_FOCUS = "AdapterTable"

    @dataclass
    class Listed(Message):
        """Adapters were read; `is_complete` unless more are being read."""

        entries: tuple[AdapterEntry, ...]
        is_complete: bool

    @dataclass
    class ListFailed(Message):
        """The list cannot be read."""

        reason: str

    @dataclass
    class DetailsRead(Message):
        """The files of an adapter were read, or cannot be: `problem`."""

        entry: AdapterEntry
        details: AdapterDetails | None
        problem: str = ""

    def __init__(self) -> None:
        super().__init__()
        self.entries: tuple[AdapterEntry, ...] | None = None
        self._is_complete = False
        self._refresh_from = 0.0
        self._places: list[str] = []
        self._filter = ""
        self._marked: dict[str, AdapterEntry] = {}
        self._details: dict[AdapterEntry, tuple[AdapterDetails | None, str]] = {}
        self._reading = threading.Lock()

    def compose(self) -> ComposeResult:
        yield ModeBar("adapters")
        yield Static(_no_adapters(), id="empty")
        with Container(id="body"):
            yield AdapterTable(id="table")
            yield AdapterPane(id="pane")
        yield Static(id="marks", markup=False)
        yield Static(id="work", markup=False)
        yield FilterInput(placeholder="Filter by name, base, rank or folder", id="filter")
        yield DiffedFooter()

    def on_mount(self) -> None:
        self.look = AdapterLook(app_api(self.app).home)
        self._show_marks()

    def on_screen_resume(self) -> None:
        """Read the list again: a run may have saved an adapter meanwhile."""
        if time.monotonic() >= self._refresh_from:
            self.action_refresh_list()

    def on_unmount(self) -> None:
        """End the processes that work for this screen."""
        self.look.close()
        self.stop_work()

    # The list

    def action_refresh_list(self) -> None:
        """Look for adapters again."""
        self._refresh_from = time.monotonic() + REFRESH_SECONDS
        self._read_list(tuple(self._places), show_parts=not self.entries)

    @work(thread=True, exclusive=True, exit_on_error=False, group="list")
    def _read_list(self, places: Sequence[str], *, show_parts: bool) -> None:
        entries: dict[str, AdapterEntry] = {}
        pause, next_part = PART_SECONDS, time.monotonic()

        def add(entry: AdapterEntry) -> None:
            nonlocal pause, next_part
            entries.setdefault(entry.path, entry)
            if show_parts and time.monotonic() >= next_part:
                self.post_message(self.Listed(tuple(entries.values()), is_complete=False))
                pause *= 2  # a longer table takes longer to show
                next_part = time.monotonic() + pause

        worker = get_current_worker()
        try:
            self.look.list(places, add)
        except SessionClosed:
            return
        except ChildError as error:
            self.post_message(self.ListFailed(str(error)))
        else:
            if not worker.is_cancelled:
                self.post_message(self.Listed(tuple(entries.values()), is_complete=True))

    @on(Listed)
    def _show_list(self, event: Listed) -> None:
        self.entries, self._is_complete = event.entries, event.is_complete
        if event.is_complete:
            there = {entry.path: entry for entry in event.entries}
            self._marked = {path: there[path] for path in self._marked if path in there}
        self.set_class(not event.entries and event.is_complete, "-empty")
        self._show_rows()

    @on(ListFailed)
    def _show_failure(self, event: ListFailed) -> None:
        self._is_complete = True
        self.notify(event.reason, title="Adapters not read", severity="error", markup=False)
        self._show_rows()

    def _show_rows(self) -> None:
        self.query_one(AdapterTable).show(filtered(self.entries or (), self._filter), self._marked)
        self._show_highlighted()

    @on(DataTable.RowHighlighted)
    def _show_highlighted(self) -> None:
        """Show the details of the highlighted adapter, and read them if necessary."""
        entry = self.highlighted
        details, problem = self._details.get(entry, (None, "")) if entry else (None, "")
        self.query_one(AdapterPane).show(entry, details, problem)
        self.refresh_bindings()
        self._show_marks()
        if entry is not None and not entry.problem and entry not in self._details:
            self._read_details(entry)

    def _show_marks(self) -> None:
        lines = []
        if self.entries is None or not self._is_complete:
            count = len(self.entries or ())
            lines.append(f"{count} adapters so far, reading more …" if count else "Reading …")
        if self._filter:
            count = self.query_one(AdapterTable).row_count
            clear = f"{key_of('adapters.clear')} clears"
            lines.append(
                f"{count} of {len(self.entries or ())} adapters have “{self._filter}”; {clear}"
            )
        if self._marked:
            keys = ", ".join(
                f"{key_of(f'adapters.{action}')} {text}"
                for action, text in (
                    ("compare", "compares"),
                    ("try", "tries"),
                    ("delete", "deletes"),
                    ("clear", "clears"),
                )
            )
            lines.append(f"{len(self._marked)} marked: {keys}")
        self.query_one("#marks", Static).update("\n".join(lines) or _more_keys())

    @work(thread=True, exclusive=True, exit_on_error=False, group="details")
    def _read_details(self, entry: AdapterEntry) -> None:
        worker = get_current_worker()
        with self._reading:
            if worker.is_cancelled:  # the cursor has moved on
                return
            try:
                details, problem = self.look.show(entry.path), ""
            except SessionClosed:
                return
            except ChildError as error:
                details, problem = None, str(error)
        self.post_message(self.DetailsRead(entry, details, problem))

    @on(DetailsRead)
    def _keep_details(self, event: DetailsRead) -> None:
        self._details[event.entry] = event.details, event.problem
        if event.entry == self.highlighted:
            self._show_highlighted()

    def forget_details(self) -> None:
        """Read the details again: an exam has added scores."""
        self._details.clear()
        self._show_highlighted()

    @property
    def highlighted(self) -> AdapterEntry | None:
        """The adapter under the cursor."""
        return self.query_one(AdapterTable).highlighted if self.entries else None

    def targets(self) -> list[AdapterEntry]:
        """Return the marked adapters, else the highlighted one."""
        entry = self.highlighted
        return list(self._marked.values()) or ([] if entry is None else [entry])

    def training_data(self) -> str:
        """Return the dataset of an adapter that an action is meant for, if it is known."""
        known = (self._details.get(entry, (None, ""))[0] for entry in self.targets())
        return next((details.data for details in known if details and details.data), "")

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what the highlighted adapter does not allow."""
        entry = self.highlighted
        match action:
            case "details" | "mark" | "copy_path":
                return True if entry is not None else None
            case "delete":
                return True if self.targets() else None
            case "compare" | "try_out":
                targets = self.targets()
                return True if targets and not any(each.problem for each in targets) else None
            case "merge" | "export":
                return True if entry is not None and not entry.problem else None
            case "stop":
                return self.is_working
            case "show_result":
                return self.has_result
            case _:
                return True

    @on(DataTable.RowSelected)
    def _details_of_clicked(self) -> None:
        self.action_details()

    def action_details(self) -> None:
        """Show the details alone, or the list again."""
        is_shown = not self.has_class("-details")
        self.set_class(is_shown, "-details")
        self.query_one("#pane" if is_shown else "#table").focus()

    def action_filter(self) -> None:
        """Ask for a text; only adapters with it are shown."""
        self.query_one(FilterInput).open(self._filter)

    @on(FilterInput.Changed)
    def _filter_rows(self, event: FilterInput.Changed) -> None:
        self._filter = event.value
        self._show_rows()

    @on(FilterInput.Closed)
    def _leave_filter(self) -> None:
        self.query_one(AdapterTable).focus()

    def action_mark(self) -> None:
        """Mark the highlighted adapter, or take its mark away."""
        if entry := self.highlighted:
            if self._marked.pop(entry.path, None) is None:
                self._marked[entry.path] = entry
            self._show_rows()

    def action_clear(self) -> None:
        """Close the details, else remove the filter and all marks."""
        if self.has_class("-details"):
            self.action_details()
            return
        self._filter, self._marked = "", {}
        self._show_rows()

    def action_copy_path(self) -> None:
        """Copy the path of the highlighted adapter."""
        if entry := self.highlighted:
            self.app.copy_to_clipboard(entry.path)
            self.notify(entry.path, title="Copied", markup=False)

    def action_add_folder(self) -> None:
        """Ask for a folder or a Hub id, and list its adapters as well."""

        def add(place: str | None) -> None:
            if place is not None and (place := place.strip()) not in self._places:
                self._places.append(place)
                self.action_refresh_list()

        dialog = AskText(
            "List more adapters",
            "A folder, searched with all below it, or the id of an adapter on the Hub.",
            "",
            lambda text: "" if text.strip() else "must not be empty",
        )
        self.app.push_screen(dialog, add)

    def action_try_out(self) -> None:
        """Ask for a page, and show the answers of the marked adapters or the highlighted one."""
        if targets := self.targets():
            self.app.push_screen(TryOutScreen([entry.name for entry in targets]))
