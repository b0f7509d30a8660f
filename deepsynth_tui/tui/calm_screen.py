"""Screens that write nothing while nothing changes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual import events
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget


@runtime_checkable
class _HasCursor(Protocol):
    """A text field: `Input` or `TextArea`, which takes long to import."""

    cursor_blink: bool


def stop_blinking(widget: Widget) -> None:
    """Let the cursor of `widget` stand still, if it has one."""
    if isinstance(widget, _HasCursor):
        widget.cursor_blink = False


class CalmScreen(Screen[ScreenResultType]):
    """A screen that does not repaint as a whole with each change of focus, and blinks no cursor.

    Widgets repaint themselves when they get or lose the focus.
    """

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    @property
    def takes_keys(self) -> bool:
        """Whether the screen is complete, so that keys reach what they are meant for."""
        return True

    @property
    def has_running_workers(self) -> bool:
        """Whether a worker of this screen has not ended."""
        return any(worker.node is self and not worker.is_finished for worker in self.app.workers)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Let the cursor of a text field stand still."""
        stop_blinking(event.widget)


class CalmModalScreen(ModalScreen[ScreenResultType], CalmScreen[ScreenResultType]):
    """A calm screen on top of another, which shows through.

    The first base class is the one whose stylesheet Textual inherits.
    """
