"""The text fields of a form: completion with Tab, and pasted lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import events
from textual.actions import SkipAction
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from deepsynth_tui.tui.actions import bindings

Complete = Callable[[str], Sequence[str]]
"""Returns the texts that a text can be completed to, best first. May read files."""


class EditorWanted(Message):
    """The text of this field is to be edited in an editor outside."""


class CompletionSuggester(Suggester):
    """Suggests the first completion; `matches` are all of the last text."""

    def __init__(self, complete: Complete) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete
        self.matches: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        self.matches = await asyncio.to_thread(self._complete, value)
        return next((text for text in self.matches if text.startswith(value)), None)


class TextInput(Input):
    """A one-line text field. Tab takes a suggestion, and moves on where there is none.

    While another field has the focus it shows the end of a text that is too long for it: of a path
    the end tells most.
    """

    BINDINGS = bindings("text_input")

    class Suggested(Message):
        """There are completions for the text."""

    class LinesPasted(Message):
        """Several lines were pasted. Nothing is inserted: `whole` is what the text would be."""

        def __init__(self, text_input: TextInput, lines: Sequence[str], whole: str) -> None:
            super().__init__()
            self.text_input = text_input
            self.lines = lines
            self.whole = whole

        @property
        def control(self) -> TextInput:
            return self.text_input

    def __init__(
        self,
        value: str,
        *,
        placeholder: str,
        suggester: Suggester | None = None,
        classes: str = "",
        may_grow: bool = False,
    ) -> None:
        """`may_grow`: the text may have several lines, which another widget edits."""
        # Without validators, and compact by the style of the row: each of both would set classes,
        # which styles the field again.
        super().__init__(
            value, placeholder=placeholder, suggester=suggester, classes=classes, validate_on=()
        )
        self.cursor_blink = False
        self._may_grow = may_grow

    def on_mount(self) -> None:
        self.cursor_position = len(self.value)

    def action_edit_text(self) -> None:
        """Ask for an editor outside, or go to the end of a text that has a single line."""
        if self._may_grow:
            self.post_message(EditorWanted())
        else:
            self.action_end()

    def on_suggestion_ready(self) -> None:
        self.post_message(self.Suggested())

    def action_complete(self) -> None:
        """Take the suggestion."""
        if not self.cursor_at_end or len(self._suggestion) <= len(self.value):
            raise SkipAction
        self.value = self._suggestion
        self.cursor_position = len(self.value)

    def show_text(self, text: str) -> None:
        """Replace the text."""
        self.value = text
        self.cursor_position = len(text)

    def _on_paste(self, event: events.Paste) -> None:
        """Paste a line, or leave several to the row."""
        event.stop()
        event.prevent_default()
        lines = [line for line in event.text.splitlines() if line.strip()]
        if len(lines) > 1:
            start, end = sorted(self.selection)
            pasted = "\n".join(event.text.splitlines())
            whole = f"{self.value[:start]}{pasted}{self.value[end:]}"
            self.post_message(self.LinesPasted(self, lines, whole))
        elif lines:
            self.paste_line(lines[0])

    def paste_line(self, line: str) -> None:
        """Insert a line in place of the selection."""
        if self.selection.is_empty:
            self.insert_text_at_cursor(line)
        else:
            self.replace(line, *self.selection)


class StepInput(TextInput):
    """A field with suggested values. Left and right step while all of it is selected, as on focus.

    Typing, Home, End or a click start editing; left and right then move the cursor.
    """

    def action_cursor_left(self, select: bool = False) -> None:
        self._skip_if_stepping(select)
        super().action_cursor_left(select)

    def action_cursor_right(self, select: bool = False) -> None:
        self._skip_if_stepping(select)
        super().action_cursor_right(select)

    def _skip_if_stepping(self, select: bool) -> None:
        """Leave the key to the row, which steps the value."""
        if not select and (not self.value or self.selected_text == self.value):
            raise SkipAction
