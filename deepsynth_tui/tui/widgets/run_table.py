"""The table of all runs. A cell repaints only when its text changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.text import Text
from textual.widgets import DataTable
from textual.widgets.data_table import RowDoesNotExist

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.summary import RunSummary
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.run_view.labels import STATE_LABELS
from deepsynth_tui.units import format_age

RunColumn = Literal["state", "name", "kind", "progress", "loss", "age"]
COLUMN_WIDTHS: dict[RunColumn, int] = {"state": 13, "kind": 8, "progress": 19, "loss": 7, "age": 6}
"""Widths of all columns but the name, which takes the rest."""
_MIN_NAME_WIDTH = 12


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run, and its age as text."""

    summary: RunSummary
    age: str


def run_rows(summaries: Sequence[RunSummary], now: float) -> tuple[RunRow, ...]:
    """Return the rows at the time `now` (seconds since the epoch)."""
    return tuple(RunRow(summary, format_age(now - summary.created)) for summary in summaries)


class RunTable(DataTable[Text], inherit_bindings=False):
    """Runs, newest first. The cursor stays on its run when other runs are added or deleted."""

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
        self._name_width = 0

    def on_mount(self) -> None:
        """Rebuild when the theme changes, whose colours the cells contain."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._rebuild())

    @property
    def highlighted(self) -> RunSummary | None:
        """The run under the cursor."""
        return self._runs[self.cursor_row].summary if self._runs else None

    def show(self, rows: Sequence[RunRow]) -> None:
        """Show these rows."""
        before, self._runs = self._runs, tuple(rows)
        ids_before, ids = self._ids(before), self._ids(self._runs)
        if not ids_before or ids_before != ids[: len(ids_before)]:
            self._rebuild(before[self.cursor_row].summary.id if before else None)
            return
        for row in self._runs[len(before) :]:
            self.add_row(*self._cells(row).values(), key=row.summary.id)
        for old, new in zip(before, self._runs, strict=False):
            old_cells, cells = self._cells(old), self._cells(new)
            for column, cell in cells.items():
                if cell != old_cells[column]:
                    self.update_cell(new.summary.id, column, cell)

    def on_resize(self) -> None:
        """Give the name the width that the other columns leave."""
        width = self.size.width - sum(COLUMN_WIDTHS.values()) - 2 * (len(COLUMN_WIDTHS) + 1) - 1
        name_width = max(_MIN_NAME_WIDTH, width)
        if name_width != self._name_width:
            self._name_width = name_width
            self._rebuild()

    def _rebuild(self, highlighted: str | None = None) -> None:
        """Refill the table, with the cursor on the run of this id or the one it was on."""
        if highlighted is None and self.highlighted is not None:
            highlighted = self.highlighted.id
        self.clear(columns=True)
        for column in ("state", "name", "kind", "progress", "loss", "age"):
            width = self._name_width if column == "name" else COLUMN_WIDTHS[column]
            self.add_column(column, key=column, width=width)
        for row in self._runs:
            self.add_row(*self._cells(row).values(), key=row.summary.id)
        if highlighted is not None:
            try:
                self.move_cursor(row=self.get_row_index(highlighted), animate=False)
            except RowDoesNotExist:  # that run was deleted
                self.move_cursor(row=0, animate=False)

    def _cells(self, row: RunRow) -> dict[RunColumn, Text]:
        summary = row.summary
        state = STATE_LABELS[summary.state]
        colour = self.app.theme_variables[state.colour.removeprefix("$")]
        return {
            "state": Text(f"{state.symbol} {state.text}", f"bold {colour}"),
            "name": Text(sanitize(summary.name), overflow="ellipsis", no_wrap=True),
            "kind": Text(summary.kind, "dim"),
            "progress": Text(_progress(summary), overflow="ellipsis", no_wrap=True),
            "loss": Text("" if summary.last_loss is None else f"{summary.last_loss:.3f}"),
            "age": Text(row.age, "dim"),
        }

    @staticmethod
    def _ids(rows: Sequence[RunRow]) -> list[str]:
        return [row.summary.id for row in rows]


def _progress(summary: RunSummary) -> str:
    """Return the steps of a training run, else the progress of the current phase."""
    if summary.last_step is not None:
        total = f" of {summary.total_steps}" if summary.total_steps else ""
        return f"step {summary.last_step}{total}"
    if summary.is_live and summary.unit:
        total = f" of {summary.total}" if summary.total is not None else ""
        return f"{summary.done}{total} {summary.unit}"
    return summary.phase if summary.is_live else ""
