"""A field of a form that holds one of several values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings

if TYPE_CHECKING:
    from textual.widgets._select import SelectOverlay

_ARROW_WIDTH = 2


class FieldSelect(Widget, can_focus=True):
    """Shows a value on one line. Enter opens the list; left and right are left to the row.

    Textual's `Select` is six widgets, of which five wait for the list to open. Here the list is
    mounted when it is first opened.

    Args:
        options: The text of each value, and the value.
        value: The value; none of the options if it is not among them.
        classes: CSS classes.
    """

    ALLOW_SELECT = False
    BINDINGS = bindings("field_select")
    DEFAULT_CSS = """
    FieldSelect {
        pointer: pointer;
        & > SelectOverlay {
            display: none;
            width: 32;
            height: auto;
            max-height: 12;
            overlay: screen;
            constrain: none inside;
            offset-y: 1;
            color: $foreground;
            border: tall $border-blurred;
            background: $surface;
            &:focus { background-tint: $foreground 5%; }
            & > .option-list--option { padding: 0 1; }
        }
        &.-expanded > SelectOverlay { display: block; }
        &.wide > SelectOverlay { width: 80; max-width: 80; }
    }
    """

    value: reactive[Any] = reactive(None, init=False)

    class Changed(Message):
        """The user chose another value."""

        def __init__(self, select: FieldSelect, value: Any) -> None:
            super().__init__()
            self.select = select
            self.value = value

        @property
        def control(self) -> FieldSelect:
            return self.select

    def __init__(
        self, options: Sequence[tuple[str, Any]], *, value: Any, classes: str = ""
    ) -> None:
        super().__init__(classes=classes)
        self.options = options
        self.set_reactive(FieldSelect.value, value)

    @property
    def expanded(self) -> bool:
        """Whether the list of values is shown."""
        return self.has_class("-expanded")

    def render(self) -> Content:
        width = max(0, self.content_size.width - _ARROW_WIDTH)
        texts = [text for text, value in self.options if value == self.value]
        text = Content(texts[0]) if texts else Content.styled("Select", "$foreground 50%")
        arrow = Content.styled(" ▲" if self.expanded else " ▼", "$foreground 50%")
        return text.truncate(width, ellipsis=True).pad_right(width - text.cell_length) + arrow

    async def action_show_overlay(self) -> None:
        """Show the list of values, the current one highlighted."""
        overlay = await self._mounted_overlay()
        self.add_class("-expanded")
        overlay.focus(scroll_visible=False)
        values = [value for _, value in self.options]
        overlay.select(values.index(self.value) if self.value in values else 0)

    async def _mounted_overlay(self) -> SelectOverlay:
        from textual.widgets._select import SelectOverlay

        if self.children:
            return self.query_one(SelectOverlay)
        overlay = SelectOverlay()
        await self.mount(overlay)
        overlay.add_options([text for text, _ in self.options])
        return overlay

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        if self.expanded:
            self._close()
        else:
            await self.action_show_overlay()

    def _close(self) -> None:
        self.remove_class("-expanded")
        self.refresh()

    def on_select_overlay_update_selection(self, event: SelectOverlay.UpdateSelection) -> None:
        event.stop()
        self.focus()
        self._close()
        self._choose(self.options[event.option_index][1])

    def on_select_overlay_dismiss(self, event: SelectOverlay.Dismiss) -> None:
        event.stop()
        self._close()
        if not event.lost_focus:
            self.focus()

    def _choose(self, value: Any) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))
