"""The last line of a screen: the keys that apply now."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class KeyLine(Footer):
    """A footer that is drawn anew only when its keys are others.

    Textual's own is composed anew at each change of focus, which makes every Tab twice as dear.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._shown: object = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        keys = [
            (active.binding.key, active.binding.description, active.enabled)
            for active in screen.active_bindings.values()
            if active.binding.show
        ]
        if keys != self._shown:
            self._shown = keys
            super().bindings_changed(screen)
