"""Details of the highlighted run, with the curve of its loss where the terminal has room."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from deepsynth_tui.tui.themes import rich_colour
from deepsynth_tui.tui.widgets.curves import braille_curve, stretch
from deepsynth_tui.tui.widgets.label_grid import label_grid

CURVE_SIZE = (40, 8)
"""Columns and lines."""
LEAST_SIZE = (110, 30)
"""Columns and lines of a terminal that shows the curve."""
_DOTS_PER_COLUMN = 2


class RunDetails(Static):
    """Labels and texts; the loss at their right."""

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text, id=id)
        self._shown: tuple[Sequence[tuple[str, str]], Sequence[float]] | None = None

    def show(self, lines: Sequence[tuple[str, str]], losses: Sequence[float]) -> None:
        """Show the lines and losses of a run."""
        if (lines, losses) != self._shown:
            self._shown = lines, losses
            self._draw()

    def on_mount(self) -> None:
        """Draw again when the theme changes, whose colour the curve has."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def on_resize(self) -> None:
        """Show the curve, or no longer."""
        self._draw()

    def _draw(self) -> None:
        if self._shown is None:
            return
        lines, losses = self._shown
        width, height = self.app.size
        has_room = width >= LEAST_SIZE[0] and height >= LEAST_SIZE[1]
        colour = rich_colour(self.app.theme_variables, "primary")
        self.update(run_details(lines, losses if has_room else (), colour) if lines else "")


def run_details(
    lines: Sequence[tuple[str, str]], losses: Sequence[float], colour: str
) -> RenderableType:
    """Return the lines, and beside them the curve of two losses or more."""
    grid = label_grid(lines)
    if len(losses) < 2:
        return grid
    columns, height = CURVE_SIZE
    rows = braille_curve(stretch(losses, columns * _DOTS_PER_COLUMN), columns, height)
    curve = Text.assemble(("loss\n", "dim"), ("\n".join(rows), colour), no_wrap=True)
    both = Table.grid(padding=(0, 2), expand=True)
    both.add_column(ratio=1)
    both.add_column(width=columns)
    both.add_row(grid, curve)
    return both
