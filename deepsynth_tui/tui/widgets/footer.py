"""The footer of every screen."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class DiffedFooter(Footer):
    """A footer that recomposes only when its keys change.

    Textual's own recomposes with each change of focus, which doubles the cost of every Tab.
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._keys: object = None

    def bindings_changed(self, screen: Screen[object]) -> None:
        keys = [
            (active.binding.key, active.binding.description, active.enabled)
            for active in screen.active_bindings.values()
            if active.binding.show
        ]
        if keys != self._keys:
            self._keys = keys
            super().bindings_changed(screen)
