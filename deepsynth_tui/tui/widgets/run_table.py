"""The table of all runs. A cell repaints only when its text changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from rich.text import Text
from textual.widgets import DataTable
from textual.widgets.data_table import RowDoesNotExist, RowKey

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.tui.run_view.run_list import RunFacts, RunRow, SortKey
from deepsynth_tui.tui.themes import rich_colour
from deepsynth_tui.tui.widgets.curves import sparkline
from deepsynth_tui.tui.widgets.list_table import row_at

RunColumn = Literal[
    "mark", "state", "name", "model", "method", "dataset", "best eval", "loss", "time", "age"
]
COLUMN_WIDTHS: dict[RunColumn, int] = {
    "mark": 1,
    "state": 14,
    "name": 12,
    "model": 14,
    "method": 9,
    "dataset": 12,
    "best eval": 9,
    "loss": 8,
    "time": 10,
    "age": 6,
}
"""Widths of the columns in their order; the name takes what is left."""
_ALWAYS: frozenset[RunColumn] = frozenset({"mark", "state", "name", "age"})
_BY_PRIORITY: tuple[RunColumn, ...] = ("best eval", "loss", "method", "model", "dataset", "time")
"""The other columns: the last ones are left out first where the table is narrow."""
_GOOD_NAME_WIDTH = 16
_PADDING = 2
MARK = "*"


def columns_for(width: int) -> dict[RunColumn, int]:
    """Return the columns that have room in a table of this width, and their widths."""
    shown: set[RunColumn] = set(_ALWAYS)
    for column in _BY_PRIORITY:
        wider: set[RunColumn] = {*shown, column}
        taken = sum(COLUMN_WIDTHS[each] + _PADDING for each in wider) + 1
        wanted = min(_GOOD_NAME_WIDTH, width // 7) - COLUMN_WIDTHS["name"]
        if taken + max(0, wanted) > width:
            break
        shown.add(column)
    widths: dict[RunColumn, int] = {
        column: size for column, size in COLUMN_WIDTHS.items() if column in shown
    }
    rest = width - 1 - sum(size + _PADDING for size in widths.values())
    widths["name"] += max(0, rest)
    return widths


class RunTable(DataTable[Text], inherit_bindings=False):
    """Runs. The cursor stays on its run when other runs are added or deleted."""

    BINDINGS = bindings("run_table")
    DEFAULT_CSS = """
    RunTable {
        height: 1fr;
        background: transparent;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
        & > .datatable--header { background: transparent; text-style: dim; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1, zebra_stripes=False)
        self._runs: tuple[RunRow, ...] = ()
        self._widths: dict[RunColumn, int] = {}
        self._sort: SortKey = "age"
        self._marked: frozenset[str] = frozenset()

    def on_mount(self) -> None:
        """Rebuild when the theme changes, whose colours the cells contain."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._rebuild())

    @property
    def highlighted(self) -> RunSummary | None:
        """The run under the cursor."""
        row = self.highlighted_row
        return None if row is None else row.summary

    @property
    def highlighted_row(self) -> RunRow | None:
        """The row under the cursor."""
        return row_at(self._runs, self.cursor_row)

    def show(
        self, rows: Sequence[RunRow], *, sort: SortKey = "age", marked: Collection[str] = ()
    ) -> None:
        """Show these rows, in this order; `sort` names its column, `marked` are ids."""
        before, self._runs = self._runs, tuple(rows)
        old_marked, self._marked = self._marked, frozenset(marked)
        ids_before, ids = self._ids(before), self._ids(self._runs)
        if self._sort != sort or not ids_before or ids_before != ids[: len(ids_before)]:
            self._sort = sort
            highlighted = row_at(before, self.cursor_row)
            self._rebuild(highlighted.summary.id if highlighted else None)
            return
        for row in self._runs[len(before) :]:
            self.add_row(*self._cells(row, self._marked).values(), key=row.summary.id)
        changed_marks = old_marked ^ self._marked
        for old, new in zip(before, self._runs, strict=False):
            if old == new and new.summary.id not in changed_marks:
                continue
            cells = self._cells(new, self._marked)
            shown = self.get_row(new.summary.id)
            for (column, cell), shown_cell in zip(cells.items(), shown, strict=True):
                if cell != shown_cell:
                    self.update_cell(new.summary.id, column, cell)

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        """Update the size of the table without measuring cells: the columns have fixed widths.

        Textual measures each of a thousand new rows before it handles the next key.
        """
        super()._update_dimensions(())

    def on_resize(self) -> None:
        """Show the columns that have room, and give the name what they leave."""
        widths = columns_for(self.size.width)
        if widths != self._widths:
            self._widths = widths
            self._rebuild()

    def _rebuild(self, highlighted: str | None = None) -> None:
        """Refill the table, with the cursor on the run of this id or the one it was on."""
        if highlighted is None and self.highlighted is not None:
            highlighted = self.highlighted.id
        self.clear(columns=True)
        for column, width in self._widths.items():
            label = "" if column == "mark" else column
            self.add_column(
                f"{label} ↓" if column == self._sort else label, key=column, width=width
            )
        for row in self._runs:
            self.add_row(*self._cells(row, self._marked).values(), key=row.summary.id)
        if highlighted is not None:
            try:
                self.move_cursor(row=self.get_row_index(highlighted), animate=False)
            except RowDoesNotExist:  # that run was deleted
                self.move_cursor(row=0, animate=False)

    def _cells(self, row: RunRow, marked: Collection[str]) -> dict[RunColumn, Text]:
        summary, facts = row.summary, row.facts or RunFacts()
        state, variables = STATE_LABELS[summary.state], self.app.theme_variables
        colour = rich_colour(variables, state.colour.removeprefix("$"))
        loss = sparkline(facts.losses, COLUMN_WIDTHS["loss"])
        cells: dict[RunColumn, Text] = {
            "mark": Text(MARK if summary.id in marked else "", "bold"),
            "state": Text(f"{state.symbol} {row.state}", f"bold {colour}"),
            "name": _ellipsis(sanitize(summary.name)),
            "model": _ellipsis(facts.settings.model),
            "method": _ellipsis(row.method),
            "dataset": _ellipsis(facts.settings.dataset),
            "best eval": Text("" if facts.best_eval is None else f"{facts.best_eval:.3f}"),
            "loss": Text(loss, rich_colour(variables, "primary")),
            "time": Text(row.time),
            "age": Text(row.age, "dim"),
        }
        return {column: cells[column] for column in self._widths}

    @staticmethod
    def _ids(rows: Sequence[RunRow]) -> list[str]:
        return [row.summary.id for row in rows]


def _ellipsis(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)
