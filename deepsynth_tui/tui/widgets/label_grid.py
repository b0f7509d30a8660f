"""A two-column grid of labels and texts."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text


def label_grid(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Return a grid of dim labels, and texts that wrap within their own column."""
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label), text if isinstance(text, Text) else Text(text))
    return grid
