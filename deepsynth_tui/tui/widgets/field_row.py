"""One field of a form: label, editor, unit, and below them the problem with its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select, Switch

from deepsynth_tui.config.access_tokens import has_token
from deepsynth_tui.config.fields import FieldSpec, as_text
from deepsynth_tui.tui.actions import bindings

LABEL_WIDTH = 30


class StepInput(Input):
    """A number input. Left and right step its value while all of it is selected, as on focus.

    Typing, Home, End or a click start editing; left and right then move the cursor.
    """

    def action_cursor_left(self, select: bool = False) -> None:
        self._skip_if_stepping(select)
        super().action_cursor_left(select)

    def action_cursor_right(self, select: bool = False) -> None:
        self._skip_if_stepping(select)
        super().action_cursor_right(select)

    def _skip_if_stepping(self, select: bool) -> None:
        """Leave the key to the row, which steps the value."""
        if not select and (not self.value or self.selected_text == self.value):
            raise SkipAction


class FieldSelect(Select[Any], inherit_bindings=False):
    """A select on one line. Enter opens the list; left and right are left to the row."""

    BINDINGS = bindings("field_select")


class FieldRow(Widget):
    """A row of the form. Renders label, unit and problem itself; only the editor is a widget.

    A form has sixty rows: one child in each instead of four halves the time to the first frame.
    """

    DEFAULT_CSS = """
    FieldRow {
        layout: horizontal;
        height: 1;
        &.-problem { height: 2; }
        &:focus-within { background: $surface; }
        & > Input, & > FieldSelect, & > Switch {
            margin: 0 0 0 30;
            height: 1;
            border: none;
            padding: 0 1;
            background: $panel;
            &:focus { border: none; background: $primary 30%; background-tint: transparent; }
        }
        & > Input { width: 1fr; max-width: 56; }
        & > .number { width: 14; }
        & > FieldSelect { width: 24; padding: 0; }
        & > FieldSelect.wide { width: 1fr; max-width: 56; }
        & > FieldSelect.wide > SelectOverlay { width: 80; max-width: 80; }
        & > FieldSelect > SelectCurrent { padding: 0 1; background: $panel; }
        & > FieldSelect > SelectCurrent > #label { text-wrap: nowrap; text-overflow: ellipsis; }
        & > FieldSelect:focus > SelectCurrent {
            background: $primary 30%;
            background-tint: transparent;
        }
        & > FieldSelect > SelectOverlay { width: 32; }
        & > Switch { width: 4; padding: 0; }
        & > Switch .switch--slider { color: $muted; background: $panel; }
        & > Switch.-on .switch--slider { color: $primary; background: $panel; }
        & > Switch.-on:light .switch--slider { color: $primary; background: $panel; }
    }
    """

    BINDINGS = bindings("field_row")

    changed: reactive[bool] = reactive(False)
    problem: reactive[str] = reactive("")
    note: reactive[str] = reactive("")
    advice: reactive[str] = reactive("")

    class Edited(Message):
        """The user changed the value."""

        def __init__(self, row: FieldRow, value: Any) -> None:
            super().__init__()
            self.row = row
            self.value = value

        @property
        def control(self) -> FieldRow:
            return self.row

    def __init__(
        self,
        spec: FieldSpec,
        value: Any,
        *,
        suggestions: Sequence[str] = (),
        prompts: Mapping[Any, str] | None = None,
    ) -> None:
        super().__init__(id=f"row-{spec.key.replace('.', '-')}")
        self.spec = spec
        self.value = value
        self.label = spec.label
        self._suggestions = suggestions
        self._prompts = prompts
        self.set_reactive(FieldRow.note, self._note_for(value))

    def compose(self) -> ComposeResult:
        spec, text = self.spec, as_text(self.value)
        match spec.kind:
            case "bool":
                yield Switch(bool(self.value), animate=False)
            case "choice":
                prompts = self._prompts or {choice: as_text(choice) for choice in spec.choices}
                yield FieldSelect(
                    [(prompt, choice) for choice, prompt in prompts.items()],
                    classes="wide" if self._prompts else "",
                    value=self.value if self.value in spec.choices else Select.NULL,
                    allow_blank=self.value not in spec.choices,
                    compact=True,
                )
            case "int" | "float":
                input_type = StepInput if spec.suggested else Input
                yield input_type(text, placeholder=spec.placeholder, classes="number", compact=True)
            case _:
                suggester = SuggestFromList(self._suggestions) if self._suggestions else None
                yield Input(
                    text,
                    placeholder=spec.placeholder,
                    suggester=suggester,
                    compact=True,
                )

    @property
    def editor(self) -> Widget:
        """The widget that edits the value."""
        return self.children[0]

    def show(self, value: Any) -> None:
        """Show another value without posting `Edited`."""
        self.note = self._note_for(value)
        if value == self.value:
            return
        self.value = value
        match self.editor:
            case Switch() as switch:
                switch.value = bool(value)
            case FieldSelect() as select:
                select.value = value
            case Input() as input_:
                input_.value = as_text(value)

    def action_step(self, direction: int) -> None:
        """Set the next lower (-1) or higher (1) of the suggested values."""
        choices = (False, True) if self.spec.kind == "bool" else self.spec.choices
        value = adjacent_step(self.value, choices or self.spec.suggested, direction)
        if value is None or value == self.value:
            return
        self.show(value)
        if isinstance(self.editor, Input):
            self.editor.action_select_all()
        self.post_message(self.Edited(self, value))

    def render(self) -> Content:
        marker = "✗ " if self.problem else "• " if self.changed else "  "
        style = "$text-error" if self.problem else "$text-accent"
        label = Content.styled(
            self.label.ljust(LABEL_WIDTH - 2), "bold" if self.has_focus_within else "$muted"
        )
        line = [Content.styled(marker, style), label]
        note = self.advice or self.note
        if note and self.children:
            line += [" " * (self.editor.outer_size.width + 1), Content.styled(note, "$muted")]
        if self.problem:
            problem = f"\n{' ' * LABEL_WIDTH}{self.problem}"
            line.append(Content.styled(problem, "$text-error"))
        width = self.size.width
        lines = Content.assemble(*line).split("\n")
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines)

    def watch_problem(self, problem: str) -> None:
        self.set_class(bool(problem), "-problem")

    def on_resize(self) -> None:
        self.refresh()

    def on_descendant_focus(self) -> None:
        self.refresh()

    def on_descendant_blur(self) -> None:
        self.refresh()

    @on(Input.Changed)
    @on(Switch.Changed)
    @on(Select.Changed)
    def _value_changed(self, event: Input.Changed | Switch.Changed | Select.Changed) -> None:
        event.stop()
        value = event.value
        if isinstance(event, Input.Changed):
            event.input.password = has_token(event.value)
            value = self.spec.from_text(event.value)
        elif value is Select.NULL:
            return
        if value != self.value:
            self.value = value
            self.note = self._note_for(value)
            self.post_message(self.Edited(self, value))

    @on(Input.Submitted)
    def _focus_next(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    def _note_for(self, value: Any) -> str:
        if self.spec.kind == "bool":
            return "on" if value else "off"
        return self.spec.unit


def adjacent_step(value: Any, steps: Sequence[Any], direction: int) -> Any:
    """Return the next lower (-1) or higher (1) of ascending `steps`, None if there is none."""
    if value in steps:
        index = steps.index(value) + direction
        return steps[index] if 0 <= index < len(steps) else None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return steps[0] if steps else None
    beyond = [step for step in steps if (step > value) == (direction > 0)]
    return (beyond[0] if direction > 0 else beyond[-1]) if beyond else None
