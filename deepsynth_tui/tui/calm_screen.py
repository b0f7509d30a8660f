"""Screens that write nothing while nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Protocol, runtime_checkable

from textual import events
from textual._compositor import Compositor
from textual.binding import BindingsMap
from textual.dom import DOMNode
from textual.geometry import Region
from textual.keys import key_to_character
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget


@runtime_checkable
class _HasCursor(Protocol):
    """A text field: `Input` or `TextArea`, which takes long to import."""

    cursor_blink: bool


def stop_blinking(widget: Widget) -> None:
    """Let the cursor of `widget` stand still, if it has one."""
    if isinstance(widget, _HasCursor):
        widget.cursor_blink = False


class BandCompositor(Compositor):
    """Renders only the widgets in the lines that have to be drawn.

    With a Tab these are a field and the help far below it. Textual's own compositor renders
    everything between them.
    """

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        lines = list(crop.line_range)
        bands = [
            list(group) for is_drawn, group in groupby(lines, key=is_rendered_line) if is_drawn
        ]
        if len(bands) < 2:
            return super()._render_chops(crop, is_rendered_line)
        chops: list[Mapping[int, Strip]] = [{}] * self.size.height
        for band in bands:
            region = Region(crop.x, band[0], crop.width, len(band))
            rendered = super()._render_chops(region, is_rendered_line)
            chops[band[0] : band[-1] + 1] = rendered[band[0] : band[-1] + 1]
        return chops

    def _get_renders(
        self, crop: Region | None = None
    ) -> Iterable[tuple[Region, Region, list[Strip]]]:
        """Render the widgets that overlap `crop`; Textual's own, all in containers that do."""
        if crop is None:
            return super()._get_renders(crop)
        visible = self.visible_widgets
        self._visible_widgets = {
            widget: place for widget, place in visible.items() if crop.overlaps(place[0])
        }
        try:
            return list(super()._get_renders(crop))
        finally:
            self._visible_widgets = visible


class CalmScreen(Screen[ScreenResultType]):
    """A screen that does not repaint as a whole with each change of focus, and blinks no cursor.

    Widgets repaint themselves when they get or lose the focus.
    """

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(
        self, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name, id, classes)
        self._compositor = BandCompositor()

    @property
    def takes_keys(self) -> bool:
        """Whether the screen is complete, so that keys reach what they are meant for."""
        return True

    @property
    def _binding_chain(self) -> list[tuple[DOMNode, BindingsMap]]:
        """The bindings from the focused widget up, without the characters that widgets consume.

        Textual removes these before it applies the keymap, which may bring others.
        """
        chain = super()._binding_chain
        for index, (_, bindings) in enumerate(chain):
            for key in list(bindings.key_to_bindings):
                character = key_to_character(key)
                if any(node.check_consume_key(key, character) for node, _ in chain[:index]):
                    del bindings.key_to_bindings[key]
        return chain

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
