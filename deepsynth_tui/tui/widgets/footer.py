"""The footer of every screen."""

from __future__ import annotations

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget


class DiffedFooter(Widget):
    """The keys that matter on this screen, on one line. Clicking a key presses it.

    Textual's `Footer` is a widget for each key, made anew with each change of focus. This one is a
    single widget that repaints when its keys change.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    DiffedFooter {
        dock: bottom;
        height: 1;
        color: $footer-foreground;
        background: $footer-background;
        text-wrap: nowrap;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[ActiveBinding] = []
        self._keys: object = None
        self._hovered: ActiveBinding | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self.bindings_changed)

    def on_unmount(self) -> None:
        self.screen.bindings_updated_signal.unsubscribe(self)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Show the bindings that are active now."""
        if not screen.app.app_focus or screen is not self.screen:
            return
        by_action = {
            active.binding.action: active
            for active in reversed(screen.active_bindings.values())
            if active.binding.show
        }
        shown = [*reversed(by_action.values())]
        keys = [(each.binding.key, each.binding.description, each.enabled) for each in shown]
        if keys != self._keys:
            self._shown, self._keys = shown, keys
            self.refresh()

    def render(self) -> Content:
        return Content.assemble(*(self._key(active) for active in self._shown))

    def _key(self, active: ActiveBinding) -> Content:
        dim = "" if active.enabled else " dim"
        hover = " on $block-hover-background" if active is self._hovered else ""
        return Content.assemble(
            (self.app.get_key_display(active.binding), f"bold $footer-key-foreground{dim}{hover}"),
            (f" {active.binding.description}", f"$footer-description-foreground{dim}{hover}"),
            " ",
        )

    def _key_at(self, x: int) -> ActiveBinding | None:
        for active in self._shown:
            width = self._key(active).cell_length
            if 0 <= x < width - 1:
                return active
            x -= width
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover(self._key_at(event.x))

    def on_leave(self) -> None:
        self._hover(None)

    def _hover(self, active: ActiveBinding | None) -> None:
        if active is not self._hovered:
            self._hovered = active
            self.tooltip = active.tooltip if active else None
            self.refresh()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if (active := self._key_at(event.x)) is None:
            return
        if active.enabled:
            self.app.simulate_key(active.binding.key)
        else:
            self.app.bell()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1
