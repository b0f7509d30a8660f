"""An application that writes only the cells that have changed.

It overrides what Textual 8.2.8 does in private; `tests/tui/test_textual_private_names.py` lists
these names and fails when they change.
"""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console, RenderableType
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App, ReturnType
from textual.driver import Driver
from textual.geometry import Offset
from textual.screen import Screen

from deepsynth_tui.tui.terminal_cells import TerminalCells, placed_strips

ENVIRONMENT_VARIABLE = "DEEPSYNTH_CHANGED_CELLS"
"""`0` writes everything that Textual writes, for a terminal that shows wrong cells otherwise."""


class ChangedCellsApp(App[ReturnType]):
    """Writes only changed cells, but for inline mode, where the line on the terminal is unknown."""

    def __init__(
        self, driver_class: type[Driver] | None = None, *, ansi_color: bool | None = None
    ) -> None:
        super().__init__(driver_class, ansi_color=ansi_color)
        is_off = os.environ.get(ENVIRONMENT_VARIABLE) == "0"
        self._cells = None if is_off else TerminalCells()
        self._written_cursor: Offset | None = None
        self._has_size = False

    def on_mount(self) -> None:
        """Start again wherever another program may have written to the terminal."""
        self.app_suspend_signal.subscribe(self, self._forget_cells)
        self.app_resume_signal.subscribe(self, self._write_all_cells)

    def on_resize(self, event: events.Resize) -> None:
        """Write every cell again: terminals move, cut or clear what they show.

        But for the first event, by which the driver tells the size.
        """
        if self._has_size:
            self._write_all_cells()
        self._has_size = True

    def _forget_cells(self, _: object = None) -> None:
        if self._cells is not None:
            self._cells.forget()

    def _write_all_cells(self, _: object = None) -> None:
        self._forget_cells()
        if self._cells is not None:
            self.refresh()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Display an update of the compositor, reduced to the cells that differ."""
        cells = self._cells
        if (
            cells is not None
            and isinstance(renderable, (LayoutUpdate, ChopsUpdate))
            and not self._batch_count
            and self._running
            and not self._closed
            and self._driver is not None
            and not self._driver.is_headless
            and not self._driver.is_inline
        ):
            text = cells.update(placed_strips(renderable), self.size, self.console)
            cursor = self.cursor_position
            renderable = _Text(text) if text or cursor != self._written_cursor else None
            self._written_cursor = cursor
        super()._display(screen, renderable)


class _Text(CompositorUpdate):
    """An update that is text already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich__(self) -> str:
        return self._text

    def render_segments(self, console: Console) -> str:
        return self._text
