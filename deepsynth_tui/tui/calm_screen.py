"""Screens that write nothing while nothing changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

from textual import events
from textual._compositor import ChopsUpdate, Compositor
from textual.binding import BindingsMap
from textual.dom import DOMNode
from textual.geometry import Region
from textual.keys import key_to_character
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget

ONE_TURN = 0.001
"""Seconds in which the event loop delivers what has been posted."""


@runtime_checkable
class _HasCursor(Protocol):
    """A text field: `Input` or `TextArea`, which takes long to import."""

    cursor_blink: bool


def stop_blinking(widget: Widget) -> None:
    """Let the cursor of `widget` stand still, if it has one."""
    if isinstance(widget, _HasCursor):
        widget.cursor_blink = False


class FrontCompositor(Compositor):
    """Renders only what is in front, in the lines that have to be drawn.

    With a Tab these are two fields and the help far below them. Textual's own compositor renders
    all lines of all widgets between them, and of every container that they cover.
    """

    def render_partial_update(self) -> ChopsUpdate | None:
        """Render the regions that have changed."""
        regions = self._dirty_regions.copy()
        self._dirty_regions.clear()
        if not regions:
            return None
        spans = list(self._regions_to_spans(regions))
        ends = [line_cuts[1:] for line_cuts in self.cuts]
        return ChopsUpdate(self._render_spans(spans), spans, ends)

    def _render_spans(self, spans: Sequence[tuple[int, int, int]]) -> list[dict[int, Strip | None]]:
        """Return the strips in these spans (a line, its first column, and its end) by column."""
        cuts = self.cuts
        chops: list[dict[int, Strip | None]] = [{} for _ in cuts]
        missing: dict[int, set[int]] = defaultdict(set)
        for y, first, last in spans:
            chops[y] = dict.fromkeys(cuts[y][:-1])
            missing[y] |= {x for x, end in pairwise(cuts[y]) if x <= last and end > first}
        for widget, (region, clip) in self.visible_widgets.items():  # the one in front first
            shown = region.intersection(clip)
            columns = range(*shown.column_span)
            lines = [
                y for y in shown.line_range if y in missing and not missing[y].isdisjoint(columns)
            ]
            if not lines:
                continue
            top = lines[0]
            crop = Region(shown.x, top, shown.width, lines[-1] + 1 - top)
            strips = widget.render_lines(crop.translate(-region.offset))
            for y in lines:
                starts = [x for x in cuts[y] if shown.x <= x <= shown.right]
                parts = strips[y - top].divide([x - shown.x for x in starts[1:]])
                for x, part in zip(starts, parts, strict=False):
                    if x in missing[y]:
                        chops[y][x] = part
                        missing[y].remove(x)
                if not missing[y]:
                    del missing[y]
            if not missing:
                break
        return chops


class CalmScreen(Screen[ScreenResultType]):
    """A screen that does not repaint as a whole with each change of focus, and blinks no cursor.

    Widgets repaint themselves when they get or lose the focus.
    """

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(
        self, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name, id, classes)
        self._compositor = FrontCompositor()

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """Focus a widget, and show at once what follows from that."""
        before = self.focused
        super().set_focus(widget, scroll_visible, from_app_focus)
        if self.focused is not before:
            self.focus_moved(before)

    def focus_moved(self, before: Widget | None) -> None:
        """Called when the focus has moved away from the widget `before`."""

    def _on_timer_update(self) -> None:
        """Draw after the requests of widgets that are in the queue: one frame for all of them.

        The help line and the rows ask a turn of the event loop later than the two fields that the
        focus moves between, and would get a frame of their own. A timer draws, not a message: each
        message is followed by an idle event, which asks for the next frame of a covered screen.
        """
        self._update_timer.pause()
        self.set_timer(ONE_TURN, super()._on_timer_update)

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
