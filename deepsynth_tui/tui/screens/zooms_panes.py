"""A screen of panes, each of which can be shown alone."""

from __future__ import annotations

from textual.screen import Screen
from textual.widget import Widget

from deepsynth_tui.tui.widgets.log_pane import LogPane


class ZoomsPanes(Screen[None]):
    """Mixin: zooms the focused pane. While one is zoomed, Tab zooms the next.

    The stylesheet hides what has not the class `-shown` while the screen has `-zoomed`; at other
    times it has `-overview`.
    """

    zoomed: Widget | None = None
    """The pane that is shown alone."""

    def panes(self) -> list[Widget]:
        """Return the panes in the order of the Tab key."""
        raise NotImplementedError

    def _focused_pane(self) -> Widget:
        panes = self.panes()
        ancestors = self.focused.ancestors_with_self if self.focused is not None else ()
        return next((pane for pane in panes if pane in ancestors), panes[0])

    def _focus_pane(self, pane: Widget) -> None:
        if isinstance(pane, LogPane):
            pane.focus_lines()
        else:
            pane.focus()

    def zoom(self, pane: Widget | None) -> None:
        """Show one pane alone, or all of them for None."""
        before, self.zoomed = self.zoomed or self._focused_pane(), pane
        with self.app.batch_update():
            self.set_class(pane is not None, "-zoomed")
            self.set_class(pane is None, "-overview")
            for each in (*self.panes(), *self.query("#panes, #left, #right, #metrics")):
                is_shown = pane is not None and (each is pane or each in pane.ancestors)
                each.set_class(is_shown, "-shown")
        self._focus_pane(before if pane is None else pane)

    def action_zoom(self) -> None:
        """Show the focused pane alone, or all panes again."""
        self.zoom(None if self.zoomed is not None else self._focused_pane())

    def action_pane(self, by: int) -> None:
        """Focus the next pane, or the one before; while one is zoomed, zoom that one."""
        if self.zoomed is None:
            if by > 0:
                self.focus_next()
            else:
                self.focus_previous()
            return
        panes = self.panes()
        self.zoom(panes[(panes.index(self.zoomed) + by) % len(panes)])
