"""A text field of several lines."""

from __future__ import annotations

from textual.actions import SkipAction
from textual.widgets import TextArea

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.widgets.text_input import EditorWanted

MAX_LINES = 8
"""Lines that are shown; more scroll."""
KEYS_OF_THE_FORM = ("undo", "redo", "select_line", "select_all")
"""Actions of `TextArea` whose keys (Ctrl+Z, Ctrl+Y, F6, F7) have a meaning in forms."""


class LinesInput(TextArea):
    """Several lines of text. Tab moves on; so do up and down on the first and the last line.

    The keys of the form that `TextArea` has too are left to the form.
    """

    BINDINGS = bindings("lines_input")
    DEFAULT_CSS = """
    LinesInput { border: none; padding: 0 1; background: $panel; scrollbar-size-vertical: 1; }
    LinesInput:focus {
        border: none;
        background: $focus-background;
        color: $focus-foreground;
        text-style: $focus-text-style;
    }
    LinesInput .text-area--cursor-line { background: transparent; }
    """

    def __init__(self, text: str) -> None:
        super().__init__(text, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False

    @property
    def shown_lines(self) -> int:
        """Height of the text, 2 to `MAX_LINES`."""
        return min(max(self.wrapped_document.height, 2), MAX_LINES)

    def action_edit_text(self) -> None:
        """Ask for an editor outside."""
        self.post_message(EditorWanted())

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self.cursor_at_first_line:
            raise SkipAction
        super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if not select and self.cursor_at_last_line:
            raise SkipAction
        super().action_cursor_down(select)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys of the form to the form, whose footer shows them then."""
        return action not in KEYS_OF_THE_FORM and super().check_action(action, parameters)
