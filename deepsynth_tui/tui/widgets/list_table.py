"""A table whose rows are selected with the arrow keys; Enter is left to the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.text import Text
from textual.widgets import DataTable

from deepsynth_tui.tui.actions import bindings

Row = TypeVar("Row")


def row_at(rows: Sequence[Row], cursor: int) -> Row | None:
    """Return the row under the cursor of a table: `End` in an empty one sets it to -1."""
    return rows[cursor] if 0 <= cursor < len(rows) else None


class ListTable(DataTable[Text], inherit_bindings=False):
    """Base of the tables of adapters and trials."""

    BINDINGS = bindings("list_table")
    DEFAULT_CSS = """
    ListTable {
        height: 1fr;
        background: transparent;
        scrollbar-size: 1 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
        & > .datatable--header { background: transparent; text-style: dim; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1, zebra_stripes=False)
