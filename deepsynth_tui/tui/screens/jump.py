"""Letters over everything that takes the focus; typing one goes there."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase, digits

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.calm_screen import CalmModalScreen

LETTERS = ascii_lowercase + digits + ascii_uppercase
"""More than a screen has places for; what comes after the last has no letter."""


def visible_targets(screen: Screen[object]) -> list[tuple[Widget, Offset]]:
    """Return the widgets that take the focus and are in view, with their first visible cell."""
    targets = []
    for widget in screen.focus_chain:
        region = screen.find_widget(widget).visible_region
        if region.area:
            targets.append((widget, region.offset))
    return targets


class JumpScreen(CalmModalScreen[Widget | None]):
    """Shows the screen below with a letter at each target, and returns the target of the letter."""

    CSS_PATH = "jump.tcss"
    BINDINGS = bindings("jump")
    AUTO_FOCUS = ""

    def __init__(self, targets: Sequence[tuple[Widget, Offset]]) -> None:
        super().__init__()
        self._targets = dict(zip(LETTERS, targets, strict=False))

    def compose(self) -> ComposeResult:
        for letter, (_, offset) in self._targets.items():
            label = Static(letter, markup=False)
            label.styles.offset = offset
            yield label

    def on_key(self, event: events.Key) -> None:
        """Go to the target of a letter; any other key closes."""
        event.stop()
        target = self._targets.get(event.character or "")
        self.dismiss(target[0] if target else None)
