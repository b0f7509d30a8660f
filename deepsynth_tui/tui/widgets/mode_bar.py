"""The top line of the main screens: a tab for each mode."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from deepsynth_tui.tui.actions import ACTIONS, key_of
from deepsynth_tui.tui.app_protocol import Mode


class ModeBar(Static):
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

    def __init__(self, mode: Mode) -> None:
        parts: list[Content | str] = [Content.styled("DeepSynth", "bold $foreground"), "   "]
        for action in ACTIONS:
            if action.method.startswith("go("):
                key, is_current = key_of(action.id), action.method == f"go('{mode}')"
                label = f"[{action.label}]" if is_current else f" {action.label} "
                style = "bold $primary" if is_current else f"$muted @click=app.{action.method}"
                parts += [Content.styled(f"{key} ", "dim"), Content.styled(label, style), "  "]
        super().__init__(Content.assemble(*parts), markup=False)
