"""The first line of a screen: the three modes, and which one this is."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.tui.actions import ACTIONS, key_of
from deepsynth_tui.tui.app_protocol import Mode


class ModeBar(Static):
    """The modes with their keys, as tabs. A mode's own screen composes it first."""

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

    def __init__(self, mode: Mode) -> None:
        parts: list[Content | str] = [Content.styled("DeepSynth", "bold $foreground"), "   "]
        for action in ACTIONS:
            if action.method.startswith("go("):
                key, here = key_of(action.id), action.method == f"go('{mode}')"
                label = f"[{action.label}]" if here else f" {action.label} "
                style = "bold $primary" if here else f"$muted @click=app.{action.method}"
                parts += [Content.styled(f"{key} ", "dim"), Content.styled(label, style), "  "]
        super().__init__(Content.assemble(*parts), markup=False)
