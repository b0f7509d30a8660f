"""The table of adapters."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from rich.text import Text
from textual.widgets.data_table import RowDoesNotExist

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.tui.run_view.adapter_rows import kind_text, problem_text, short_name
from deepsynth_tui.tui.widgets.list_table import ListTable, row_at
from deepsynth_tui.units import format_bytes
from deepsynth_tui.workflows.adapter_look import AdapterEntry

MARK = "*"
_WIDTHS: Mapping[str, int] = {
    "mark": 1,
    "name": 12,
    "base": 12,
    "rank": 4,
    "size": 8,
    "saved": 11,
}
"""Widths of the columns; name and base share what is left."""
_PADDING = 2


def column_widths(width: int) -> dict[str, int]:
    """Return the columns that have room in a table of this width, and their widths."""
    widths = dict(_WIDTHS)
    rest = width - 1 - sum(size + _PADDING for size in widths.values())
    if rest < 0:
        rest += widths.pop("size") + _PADDING
    widths["name"] += max(0, rest - rest // 3)
    widths["base"] += max(0, rest // 3)
    return widths


class AdapterTable(ListTable):
    """Adapters. The cursor stays on its adapter when others are added or deleted."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: tuple[AdapterEntry, ...] = ()
        self._marked: frozenset[str] = frozenset()
        self._widths: dict[str, int] = {}

    def on_mount(self) -> None:
        """Rebuild when the theme changes, whose colours the cells contain."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._rebuild())

    @property
    def highlighted(self) -> AdapterEntry | None:
        """The adapter under the cursor."""
        return row_at(self._entries, self.cursor_row)

    def show(self, entries: Sequence[AdapterEntry], marked: Collection[str] = ()) -> None:
        """Show these adapters in this order; `marked` are paths."""
        before, self._entries = self._entries, tuple(entries)
        old_marked, self._marked = self._marked, frozenset(marked)
        if before != self._entries[: len(before)] or not before:
            highlighted = row_at(before, self.cursor_row)
            self._rebuild(highlighted.path if highlighted else None)
            return
        for entry in self._entries[len(before) :]:
            self.add_row(*self._cells(entry), key=entry.path)
        for entry in before:  # marked ones may be filtered out
            if (entry.path in old_marked) != (entry.path in self._marked):
                self.update_cell(entry.path, "mark", self._mark(entry.path))

    def on_resize(self) -> None:
        """Show the columns that have room."""
        widths = column_widths(self.size.width)
        if widths != self._widths:
            self._widths = widths
            self._rebuild()

    def _rebuild(self, highlighted: str | None = None) -> None:
        if highlighted is None and self.highlighted is not None:
            highlighted = self.highlighted.path
        self.clear(columns=True)
        for column, width in self._widths.items():
            self.add_column("" if column == "mark" else column, key=column, width=width)
        for entry in self._entries:
            self.add_row(*self._cells(entry), key=entry.path)
        if highlighted is not None:
            try:
                self.move_cursor(row=self.get_row_index(highlighted), animate=False)
            except RowDoesNotExist:  # that adapter is gone, or filtered out
                self.move_cursor(row=0, animate=False)

    def _cells(self, entry: AdapterEntry) -> list[Text]:
        base = _ellipsis(sanitize(entry.base))
        if entry.problem:
            base = _ellipsis(f"! {problem_text(entry)}")
            base.stylize(self.app.theme_variables["error"])
        saved = time.localtime(entry.created)
        cells = {
            "mark": self._mark(entry.path),
            "name": _ellipsis(short_name(entry)),
            "base": base,
            "rank": Text(kind_text(entry)),
            "size": Text(format_bytes(entry.bytes) if entry.bytes else ""),
            "saved": Text(time.strftime("%m-%d %H:%M", saved) if entry.created else "", "dim"),
        }
        return [cells[column] for column in self._widths]

    def _mark(self, path: str) -> Text:
        return Text(MARK if path in self._marked else "", "bold")


def _ellipsis(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)
