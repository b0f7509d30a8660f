"""A search: its trials with their scores and costs, what they say, and what to do with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Static

from deepsynth_tui.runs import control
from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, open_run
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.acts_on_runs import ActsOnRuns, UsesSettings
from deepsynth_tui.tui.widgets.curves import bar
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from deepsynth_tui.tui.widgets.label_grid import label_grid
from deepsynth_tui.tui.widgets.list_table import ListTable, row_at
from deepsynth_tui.tui.widgets.mode_bar import ModeBar
from deepsynth_tui.units import format_duration

if TYPE_CHECKING:
    from deepsynth_tui.search.results import SearchResults, TrialRow
    from deepsynth_tui.tui.run_view.searches import SearchView

POLL_SECONDS = 1.0
"""Time between two looks at the results."""
BAR_WIDTH = 20
LEFT_OUT_FIRST = ("memory", "steps", "cost", "time", "state")
"""Columns that a narrow terminal leaves out, in this order."""
_GAP = 2
"""Columns of the terminal between two columns of the table."""
_NO_SEARCHES = Content.assemble(
    ("No searches yet.", "bold"), "\n\n", ("deepsynth-tui search CONFIG", "bold"), "  starts one."
)


class TrialsScreen(ActsOnRuns, UsesSettings):
    """One search. A thread polls its results while the screen is shown."""

    CSS_PATH = "trials.tcss"
    BINDINGS = bindings("trials")
    AUTO_FOCUS = "ListTable"

    @dataclass
    class Changed(Message):
        """The search, or which one is shown, has changed; None: there is none."""

        search: SearchView | None
        place: int
        count: int

    def __init__(self, run: Path | None = None) -> None:
        """`run` may be a trial, whose search is shown; else it is the newest one."""
        super().__init__()
        self._run_path = run
        self._place = 0
        self._search: SearchView | None = None
        self._shown: object = None
        self._order: Sequence[TrialRow] = ()
        self._poll_at_once = threading.Event()
        self._end_polling = threading.Event()

    def compose(self) -> ComposeResult:
        yield ModeBar("runs")
        yield Static("Reading the search …", id="title", markup=False)
        yield Static(_NO_SEARCHES, id="empty")
        yield ListTable(id="table")
        yield Static(id="details", markup=False)
        yield DiffedFooter()

    def on_mount(self) -> None:
        self._poll(app_api(self.app).home)

    def on_unmount(self) -> None:
        """Let the polling thread end."""
        self._end_polling.set()
        self._poll_at_once.set()

    @work(thread=True, exclusive=True, exit_on_error=False, group="reader")
    def _poll(self, home: Path) -> None:
        # Deferred: importing pydantic takes half as long as Textual takes to start.
        from deepsynth_tui.tui.run_view.searches import find_searches, read_search, search_of_run

        own = None if self._run_path is None else search_of_run(self._run_path)
        previous: tuple[SearchView | None, int, int] | None = None
        while not self._end_polling.is_set():
            folders = find_searches(home)
            if own in folders:
                self._place, own = folders.index(own), None
            self._place = max(0, min(self._place, len(folders) - 1))
            search = read_search(folders[self._place]) if folders else None
            if (search, self._place, len(folders)) != previous:
                previous = search, self._place, len(folders)
                self.post_message(self.Changed(*previous))
            self._poll_at_once.wait(POLL_SECONDS)
            self._poll_at_once.clear()

    @on(Changed)
    def _show_change(self, event: Changed) -> None:
        self._search = event.search
        self.set_class(event.search is None, "-empty")
        if event.search is None:
            self.query_one("#title", Static).update("")
            return
        results = event.search.results
        name = results.name if results else event.search.folder.name
        several = f"   ← → {event.place + 1} of {event.count}" if event.count > 1 else ""
        self.query_one("#title", Static).update(
            Content.assemble(
                (f"Search {sanitize(name)}", "bold $primary"),
                f"  {event.search.state}",
                (several, "$muted"),
            )
        )
        self._show_table(results)
        self._show_details()

    def _show_table(self, results: SearchResults | None) -> None:
        from deepsynth_tui.search.results import ranked

        table = self.query_one(ListTable)
        highlighted = self._highlighted()
        heads, rows = trial_cells(results) if results else ([], [])
        heads, rows = fitting(heads, rows, self.size.width)
        if (heads, rows) == self._shown:
            return
        self._shown = heads, rows
        self._order = list(ranked(results)) if results else []
        table.clear(columns=True)
        for head in heads:
            table.add_column(head, key=head)
        for cells in rows:
            table.add_row(*(Text(cell) for cell in cells))
        if highlighted is not None:
            numbers = [row.number for row in self._order]
            if highlighted.number in numbers:
                table.move_cursor(row=numbers.index(highlighted.number), animate=False)

    def on_resize(self) -> None:
        """Show the columns that have room."""
        if self._search is not None:
            self._show_table(self._search.results)

    def _highlighted(self) -> TrialRow | None:
        return row_at(self._order, self.query_one(ListTable).cursor_row)

    @on(DataTable.RowHighlighted)
    def _show_details(self) -> None:
        """Show what the search says, and what is known of the highlighted trial."""
        self.refresh_bindings()
        if self._search is not None:
            colour = self.app.theme_variables["primary"]
            lines = details_lines(self._search, self._highlighted(), colour)
            self.query_one("#details", Static).update(label_grid(lines))

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what the highlighted trial, or the search, does not allow."""
        trial = self._highlighted()
        match action:
            case "open" | "clone":
                return True if trial is not None and trial.run else None
            case "stop":
                return True if trial is not None and trial.state == "running" else None
            case "use_best":
                results = self._search.results if self._search else None
                return True if results is not None and results.best is not None else None
            case _:
                return True

    def _run(self) -> RunDirectory | None:
        """Return the run of the highlighted trial, and say so if it is gone."""
        trial = self._highlighted()
        if trial is None or self._search is None:
            return None
        try:
            return open_run(self._search.trial_folder(trial))
        except RunNotFound as error:
            self.notify(str(error), severity="error", markup=False)
            return None

    @on(DataTable.RowSelected)
    def _open_clicked(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Show the run of the highlighted trial."""
        if run := self._run():
            app_api(self.app).open_run(run)

    def action_stop(self) -> None:
        """Ask how, then stop the highlighted trial; the search goes on."""
        if run := self._run():
            self.ask_to_stop(summarize(run), control.pending_request(run))

    def action_clone(self) -> None:
        """Set up a run with the settings of the highlighted trial."""
        if run := self._run():
            self.use_settings(run.config, "training")

    def action_use_best(self) -> None:
        """Set up a run with the best configuration of the search."""
        if self._search is not None:
            self.use_settings(self._search.folder / "best.yaml", "training")

    def action_turn(self, by: int) -> None:
        """Show an older search, or a newer one."""
        self._place += by
        self._poll_at_once.set()


def trial_cells(results: SearchResults) -> tuple[list[str], list[list[str]]]:
    """Return the heads of the columns, and the cells of each trial, the best first.

    The cost is left out where no price is known.
    """
    from deepsynth_tui.search.results import memory_text, ranked, value_text

    keys = list(dict.fromkeys(key for row in results.trials for key in row.values))
    has_cost = any(row.cost is not None for row in results.trials)
    metric = results.metric.removeprefix("eval_")
    heads = ["trial", metric, *(key.rpartition(".")[2] for key in keys)]
    heads += ["state", "steps", "time", "memory", *(["cost"] if has_cost else [])]
    rows = []
    for row in ranked(results):
        cells = [f"{row.number}{' *' if row.number == results.best else ''}"]
        cells.append("" if row.score is None else f"{row.score:.4g}")
        cells += [sanitize(value_text(row.values.get(key))) for key in keys]
        state = row.run_state if row.state == "running" and row.run_state else row.state
        cells += [state, str(row.steps), format_duration(row.seconds), memory_text(row)]
        if has_cost:
            cells.append("" if row.cost is None else f"${row.cost:.2f}")
        rows.append(cells)
    return _unique(heads), rows


def fitting(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[list[str]]]:
    """Return the heads and cells of the columns for which a table of this width has room."""
    kept = list(range(len(heads)))
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for name in LEFT_OUT_FIRST:
        if sum(widths[place] + _GAP for place in kept) <= width:
            break
        kept = [place for place in kept if heads[place] != name]
    return [heads[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _unique(heads: Sequence[str]) -> list[str]:
    """Return heads of which no two are the same: they are the keys of the columns."""
    return [
        f"{head} {heads[:index].count(head) + 1}" if head in heads[:index] else head
        for index, head in enumerate(heads)
    ]


def details_lines(
    search: SearchView, trial: TrialRow | None, colour: str = ""
) -> Iterator[tuple[str, str | Text]]:
    """Yield the best trial, the importance of the parameters with bars in `colour`, and facts of
    one trial."""
    from deepsynth_tui.search.results import values_text

    results = search.results
    yield "path", sanitize(str(search.folder))
    if results is None:
        return
    if best := results.best_row:
        score = f"{results.metric} {best.score:.4g}" if best.score is not None else ""
        key = key_of("trials.use_best")
        text = f"trial {best.number}: {values_text(best.values)}; {score}"
        yield "best", sanitize(f"{text}   {key} makes it the config")
    if isinstance(results.importance, str):
        yield "importance", sanitize(results.importance)
    else:
        width = max(map(len, results.importance))
        for number, (key, share) in enumerate(results.importance.items()):
            text = Text(f"{sanitize(key):<{width}} ", no_wrap=True)
            text.append(bar(share, BAR_WIDTH), colour).append(f" {share:.0%}")
            yield "" if number else "importance", text
    if trial is not None:
        continues = "" if trial.continues is None else f", goes on with trial {trial.continues}"
        yield f"trial {trial.number}", sanitize(f"{trial.run or 'no run'}{continues}")
        if trial.reason:
            yield "", sanitize(trial.reason)
