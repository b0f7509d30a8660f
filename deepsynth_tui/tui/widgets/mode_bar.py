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
"""Characters that a long name of a run is cut to before figures are left out."""


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
        parts: list[Content | str] = []
        for action in ACTIONS:
            if action.method.startswith("go("):
                key, is_current = key_of(action.id), action.method == f"go('{mode}')"
                label = f"[{action.label}]" if is_current else f" {action.label} "
                style = "bold $primary" if is_current else f"$muted @click=app.{action.method}"
                parts += [Content.styled(f"{key} ", "dim"), Content.styled(label, style), "  "]
        self._modes = Content.assemble(*parts)

    def on_mount(self) -> None:
        self.post_message(self.Mounted(self))

    def render(self) -> Content:
        modes = _TITLE + self._modes if self.size.width >= _TITLE_FROM else self._modes
        if self.live is None:
            return modes
        live = fit_live_run(self.live, self.size.width - modes.cell_length)
        space = self.size.width - modes.cell_length - live.cell_length
        return modes + " " * max(0, space) + live


def fit_live_run(live: LiveRun, width: int) -> Content:
    """Return the run in at most `width` cells: the name is cut first, then the last figures are
    left out."""
    others = f" +{live.others}" if live.others else ""
    for count in range(len(live.figures), -1, -1):
        figures = "".join(f" {figure}" for figure in live.figures[:count]) + others
        room = width - len(live.symbol) - 1 - len(figures)
        if room >= min(_MIN_NAME, len(live.name)):
            name = live.name if len(live.name) <= room else f"{live.name[: room - 1]}…"
            return Content.assemble(
                (live.symbol, f"bold {live.colour}"), " ", (name, "$foreground"), figures
            )
    return Content.styled(live.symbol, f"bold {live.colour}") if width > 0 else Content()
