"""The top line of the main screens: a tab for each mode, and the live run on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.tui.actions import ACTIONS, key_of
from deepsynth_tui.tui.app_protocol import Mode

if TYPE_CHECKING:
    # Deferred: what reads runs takes as long to import as Textual's widgets.
    from deepsynth_tui.tui.run_view.live_run import LiveRun

_TITLE = Content.assemble(("DeepSynth", "bold $foreground"), "   ")
_TITLE_FROM = 96
"""Columns from which the title leaves enough room for the live run."""
_MIN_NAME = 6
"""Characters that a long name of a run is cut to before its first figure is left out."""
_GOOD_NAME = 12
"""Characters that it is cut to before the other figures are left out."""


class ModeBar(Widget):
    """The modes and their keys, with the current one highlighted. Clicking a mode opens it."""

    DEFAULT_CSS = """
    ModeBar {
        dock: top;
        height: 1;
        padding: 0 1;
        background: $surface;
        color: $muted;
        text-wrap: nowrap;
    }
    """

    live: reactive[LiveRun | None] = reactive(None)
    """The run shown on the right."""

    @dataclass
    class Mounted(Message):
        """The bar can show the live run."""

        bar: ModeBar

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        self._modes = _tabs(mode, is_tight=False)
        self._tight_modes = _tabs(mode, is_tight=True)

    def on_mount(self) -> None:
        self.post_message(self.Mounted(self))

    def render(self) -> Content:
        modes = _TITLE + self._modes if self.size.width >= _TITLE_FROM else self._modes
        if self.live is None:
            return modes
        if self.size.width < _TITLE_FROM:
            modes = self._tight_modes
        live = fit_live_run(self.live, self.size.width - modes.cell_length)
        space = self.size.width - modes.cell_length - live.cell_length
        return modes + " " * max(0, space) + live


def _tabs(mode: Mode, *, is_tight: bool) -> Content:
    """Return the modes with their keys; tight ones leave a dozen cells more to the live run."""
    parts: list[Content | str] = []
    for action in ACTIONS:
        if action.method.startswith("go("):
            key, is_current = key_of(action.id), action.method == f"go('{mode}')"
            other = action.label if is_tight else f" {action.label} "
            label = f"[{action.label}]" if is_current else other
            style = "bold $primary" if is_current else f"$muted @click=app.{action.method}"
            space = " " if is_tight else "  "
            parts += [Content.styled(f"{key} ", "dim"), Content.styled(label, style), space]
    return Content.assemble(*parts)


def fit_live_run(live: LiveRun, width: int) -> Content:
    """Return the run in at most `width` cells: a long name is cut first, then the last figures
    are left out."""
    others = f" +{live.others}" if live.others else ""
    for count in range(len(live.figures), -1, -1):
        figures = "".join(f" {figure}" for figure in live.figures[:count]) + others
        room = width - len(live.symbol) - 1 - len(figures)
        least = _GOOD_NAME if count > 1 else _MIN_NAME
        if room >= min(least, len(live.name)):
            name = live.name if len(live.name) <= room else f"{live.name[: room - 1]}…"
            return Content.assemble(
                (live.symbol, f"bold {live.colour}"), " ", (name, "$foreground"), figures
            )
    return Content.styled(live.symbol, f"bold {live.colour}") if width > 0 else Content()
