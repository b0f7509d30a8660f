"""The start button, and the reason why it is disabled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from deepsynth_tui.tui.actions import types_character

if TYPE_CHECKING:
    from deepsynth_tui.config.problems import Problem


class StartButton(Button, inherit_css=False):
    """A button on one line, with the few rules that it needs of the 57 of Textual's."""

    DEFAULT_CSS = """
    StartButton {
        width: auto;
        min-width: 10;
        height: 1;
        margin-right: 2;
        line-pad: 1;
        text-align: center;
        text-style: bold;
        pointer: pointer;
        color: $button-color-foreground;
        background: $primary;
        &:disabled { background: $panel; color: $muted; text-opacity: 0.6; pointer: not-allowed; }
        &:focus { text-style: $button-focus-text-style; background-tint: $foreground 5%; }
        &:hover { background: $primary-darken-2; }
        &.-active { background: $primary; tint: $background 30%; }
    }
    """


class StartBar(Horizontal):
    """Start button with a status text: number of problems and the first of them, or ready."""

    DEFAULT_CSS = """
    StartBar {
        height: 1;
        padding: 0 1 0 3;
        & > Static { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    class Pressed(Message):
        """The start button was pressed."""

    def compose(self) -> ComposeResult:
        yield StartButton("Start", disabled=True)
        yield Static()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Leave no character to the screen, whose actions it would run."""
        return types_character(character)

    def show(self, problems: Sequence[Problem], *, waiting: str = "", remark: str = "") -> None:
        """Update the button and its status.

        Args:
            problems: Problems that prevent the start.
            waiting: What has to finish before the start, empty for nothing.
            remark: Note that does not prevent the start.
        """
        self.query_one(StartButton).disabled = bool(problems or waiting)
        self.query_one(Static).update(_status(problems, waiting, remark), layout=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Pressed())


def _status(problems: Sequence[Problem], waiting: str, remark: str) -> Content:
    if problems:
        first = problems[0]
        text = ": ".join(part for part in (first.key, first.message) if part)
        count = f"✗ {len(problems)} problem{'s' if len(problems) > 1 else ''}  "
        return Content.assemble((count, "$text-error"), text)
    if waiting:
        return Content.styled(f"… {waiting}", "$muted")
    ready = Content.styled("✓ ready", "$text-success")
    return Content.assemble(ready, (f"  {remark}", "$muted") if remark else "")
