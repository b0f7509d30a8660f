"""A line of text that filters what is above it; hidden while it is not used."""

from __future__ import annotations

from textual.message import Message
from textual.widgets import Input

from deepsynth_tui.tui.actions import bindings


class FilterInput(Input):
    """Filters while the user types. Enter keeps the filter, Escape removes it; both close it.

    `Input.Changed` has the text, also the empty one that Escape leaves.
    """

    BINDINGS = bindings("filter_input")
    DEFAULT_CSS = """
    FilterInput {
        display: none;
        height: 1;
        border: none;
        padding: 0 1;
        background: $surface;
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """

    class Closed(Message):
        """The user has left the input."""

    def __init__(self, *, placeholder: str, id: str | None = None) -> None:
        super().__init__(placeholder=f"{placeholder}; Enter keeps, Esc clears", id=id)
        self.cursor_blink = False

    def open(self, text: str) -> None:
        """Show the input with a text and focus it."""
        self.value = text
        self.display = True
        self.focus()

    async def action_submit(self) -> None:
        """Keep the filter."""
        self._close()

    def action_clear(self) -> None:
        """Remove the filter."""
        self.value = ""
        self._close()

    def _close(self) -> None:
        self.display = False
        self.post_message(self.Closed())
