"""The button that starts a run, and beside it why it cannot be pressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

if TYPE_CHECKING:
    from deepsynth_tui.config.problems import Problem


class StartBar(Horizontal):
    """Start, or the reason why not: the number of problems and the first of them."""

    DEFAULT_CSS = """
    StartBar {
        height: 1;
        padding: 0 1 0 3;
        & > Button { min-width: 10; margin-right: 2; }
        & > Button.-style-default:disabled { background: $panel; color: $muted; }
        & > Static { width: 1fr; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """

    class Pressed(Message):
        """A person wants to start."""

    def compose(self) -> ComposeResult:
        yield Button("Start", variant="primary", compact=True, disabled=True)
        yield Static()

    def show(self, problems: Sequence[Problem], *, waiting: str = "", remark: str = "") -> None:
        """Say how things stand; `waiting` holds the start back, `remark` does not."""
        self.query_one(Button).disabled = bool(problems or waiting)
        self.query_one(Static).update(_reason(problems, waiting, remark), layout=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Pressed())


def _reason(problems: Sequence[Problem], waiting: str, remark: str) -> Content:
    if problems:
        first = problems[0]
        said = ": ".join(part for part in (first.key, first.message) if part)
        count = f"✗ {len(problems)} problem{'s' if len(problems) > 1 else ''}  "
        return Content.assemble((count, "$text-error"), said)
    if waiting:
        return Content.styled(f"… {waiting}", "$muted")
    ready = Content.styled("✓ ready", "$text-success")
    return Content.assemble(ready, (f"  {remark}", "$muted") if remark else "")
