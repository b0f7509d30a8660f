"""One field of a form: label, editor, unit, and below them the problem with its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Switch

from deepsynth_tui.config.access_tokens import has_token
from deepsynth_tui.config.fields import FieldSpec, as_text
from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.forms.completion import complete_name, complete_path, complete_placeholder
from deepsynth_tui.tui.widgets.field_select import FieldSelect
from deepsynth_tui.tui.widgets.text_input import CompletionSuggester, StepInput, TextInput

if TYPE_CHECKING:
    from deepsynth_tui.tui.widgets.lines_input import LinesInput

LABEL_WIDTH, NARROW_LABEL_WIDTH = 30, 18
"""Cells of the label with its marker: in a section, and among the essential fields."""
PROBLEM_INDENT = 2


class FieldRow(Widget):
    """A row of the form. Renders label, unit and problem itself; only the editor is a widget.

    One child in each row instead of four halves the time to the first frame.

    Args:
        spec: The field.
        value: Its value.
        suggestions: Texts that a text field completes.
        prompts: Texts of the choices.
        narrow_label: Whether the row is among the essential fields.
        is_whole: Whether it has a line of the form for itself.
    """

    DEFAULT_CSS = """
    FieldRow {
        layout: horizontal;
        height: 1;
        & > Input, & > FieldSelect, & > Switch, & > LinesInput {
            margin: 0 0 0 30;
            height: 1;
            border: none;
            padding: 0 1;
            background: $panel;
            &:focus {
                border: none;
                background: $focus-background;
                color: $focus-foreground;
                text-style: $focus-text-style;
                background-tint: transparent;
            }
        }
        & > Input { width: 1fr; max-width: 72; }
        & > .number { width: 14; }
        & > FieldSelect { width: 24; }
        & > FieldSelect.wide { width: 1fr; max-width: 72; }
        & > Switch { width: 4; padding: 0; }
        & > Switch .switch--slider { color: $muted; background: $panel; }
        & > Switch.-on .switch--slider { color: $primary; background: $panel; }
        & > Switch.-on:light .switch--slider { color: $primary; background: $panel; }
    }
    FieldRow.-narrow-label {
        & > Input, & > FieldSelect, & > Switch, & > LinesInput { margin: 0 0 0 18; }
        & > .number { width: 9; }
        & > FieldSelect { width: 1fr; max-width: 24; }
        & > FieldSelect.wide { max-width: 72; }
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
        narrow_label: bool = False,
        is_whole: bool = False,
    ) -> None:
        names = {"-narrow-label": narrow_label, "-whole": is_whole}
        super().__init__(
            id=f"row-{spec.key.replace('.', '-')}",
            classes=" ".join(name for name, is_set in names.items() if is_set),
        )
        self.spec = spec
        self.value = value
        self.label = spec.label
        self.suggestions = suggestions
        self._prompts = prompts
        self._label_width = NARROW_LABEL_WIDTH if narrow_label else LABEL_WIDTH
        self._height = 1
        self._suggester = CompletionSuggester(self._complete)
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
                    value=self.value,
                    classes="wide" if self._prompts else "",
                )
            case "int" | "float":
                input_type = StepInput if spec.suggested else TextInput
                yield input_type(text, placeholder=spec.placeholder, classes="number")
            case _ if spec.holds == "lines" and "\n" in text:
                yield _lines_input(text)
            case _:
                input_type = StepInput if spec.holds == "column" else TextInput
                yield input_type(
                    text,
                    placeholder=spec.placeholder,
                    suggester=self._suggester,
                    may_grow=spec.holds == "lines",
                )

    @property
    def editor(self) -> Widget:
        """The widget that edits the value."""
        return self.children[0]

    @property
    def steps(self) -> Sequence[Any]:
        """The values that left and right step through, in order."""
        if self.spec.kind == "bool":
            return (False, True)
        if self.spec.holds == "column" and self.suggestions:
            return (None, *self.suggestions)
        return self.spec.suggested or (self.spec.choices if self.spec.kind == "choice" else ())

    @property
    def matches(self) -> Sequence[str]:
        """What the text of the field can be completed to, once that was looked up."""
        return self._suggester.matches

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
            case TextInput() as input_:
                self._show_text(input_, as_text(value))
            case lines:
                lines.text = as_text(value)  # pyright: ignore[reportAttributeAccessIssue]

    def _show_text(self, input_: TextInput, text: str) -> None:
        if self.spec.holds == "lines" and "\n" in text:
            self.call_later(self._replace_editor, text)
        else:
            input_.show_text(text)

    async def _replace_editor(self, text: str) -> None:
        """Put a field of several lines in the place of one of a single line."""
        had_focus = self.has_focus_within
        lines = _lines_input(text)
        await self.editor.remove()
        await self.mount(lines)
        if had_focus:
            self.screen.set_focus(lines)
            lines.move_cursor(lines.document.end)
        self._fit_height()

    def action_step(self, direction: int) -> None:
        """Set the next lower (-1) or higher (1) of the suggested values."""
        value = adjacent_step(self.value, self.steps, direction)
        if value == self.value or (value is None and None not in self.steps):
            return
        self.show(value)
        if isinstance(self.editor, Input):
            self.editor.action_select_all()
        self.post_message(self.Edited(self, value))

    def action_new_line(self) -> None:
        """Go on in a second line."""
        if self.spec.holds == "lines" and isinstance(self.editor, TextInput):
            self.call_later(self._replace_editor, f"{self.editor.value}\n")

    def edit(self, value: Any) -> None:
        """Set a value as if the user had typed it."""
        self.show(value)
        self.post_message(self.Edited(self, value))

    def render(self) -> Content:
        marker = "✗ " if self.problem else "• " if self.changed else "  "
        style = "$text-error" if self.problem else "$text-accent"
        label = Content.styled(
            self.label.ljust(self._label_width - 2), "bold" if self.has_focus_within else "$muted"
        )
        width = self.size.width
        line: list[Content | str] = [Content.styled(marker, style), label]
        if self.children:
            gap = self.editor.outer_size.width + 1
            remark = self._remark()
            if self._label_width + gap + remark.cell_length <= width or self.has_class("-whole"):
                line += [" " * gap, remark]
        height = max(1, self.editor.outer_size.height) if self.children else 1
        first = Content.assemble(*line).truncate(width, ellipsis=True)
        blank = [Content("")] * (height - 1)
        problem = [Content.styled(text, "$text-error") for text in self._problem_lines()]
        lines = [first, *blank, *problem]
        if self.has_focus_within:
            # Not by a rule for `:focus-within`: Textual would match all rules of the row, its
            # editor and the parts of that again with each change of focus.
            padded = (line.pad_right(max(0, width - line.cell_length)) for line in lines)
            lines = [line.stylize("on $surface") for line in padded]
        return Content("\n").join(lines)

    def _remark(self) -> Content:
        """Return what is beside the editor: the suggested values or a note."""
        if self.spec.suggested and (self.has_focus_within or self.spec.key == "lora.r"):
            strip = Content(" ").join(
                Content.styled(f"[{as_text(step)}]", "bold $text-accent")
                if step == self.value
                else Content.styled(as_text(step), "$muted")
                for step in self.spec.suggested
            )
            remark = self.advice or self.spec.unit
            return Content.assemble(strip, (f"  {remark}" if remark else "", "$muted"))
        return Content.styled(self.advice or self.note, "$muted")

    def _problem_lines(self) -> list[str]:
        if not self.problem:
            return []
        indent = " " * PROBLEM_INDENT
        if not self.size.width:
            return [self.problem]
        width = max(self.size.width, 2 * PROBLEM_INDENT + 8)
        return wrap(self.problem, width, initial_indent=indent, subsequent_indent=indent)

    def _fit_height(self) -> None:
        """Make room for the lines of the editor and of the problem."""
        height = 1
        if self.children and isinstance(shown := getattr(self.editor, "shown_lines", None), int):
            height = shown
            self.editor.styles.height = shown
        height += len(self._problem_lines())
        if height != self._height:
            self._height = height
            self.styles.height = height

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        # The grid of the essential fields asks for it whatever the style says.
        return self._height

    def watch_problem(self) -> None:
        self._fit_height()

    def on_resize(self) -> None:
        self._fit_height()
        self.refresh()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        event.stop()  # the screen, which moved the focus, knows

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        event.stop()

    @on(Input.Changed)
    @on(Switch.Changed)
    @on(FieldSelect.Changed)
    def _value_changed(self, event: Input.Changed | Switch.Changed | FieldSelect.Changed) -> None:
        event.stop()
        value = event.value
        if isinstance(event, Input.Changed):
            event.input.password = has_token(event.value)
            value = self.spec.from_text(event.value)
        self._take(value)

    def on_text_area_changed(self, event: Any) -> None:
        event.stop()
        self._fit_height()
        self._take(self.spec.from_text(event.text_area.text))

    def _take(self, value: Any) -> None:
        if value != self.value:
            self.value = value
            self.note = self._note_for(value)
            self.post_message(self.Edited(self, value))

    @on(Input.Submitted)
    def _focus_next(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    @on(TextInput.LinesPasted)
    def _paste_lines(self, event: TextInput.LinesPasted) -> None:
        """Keep all lines where the field holds several, else the first, and say so."""
        event.stop()
        if self.spec.holds == "lines":
            self._take(self.spec.from_text(event.whole))
            self.call_later(self._replace_editor, event.whole)
            return
        event.text_input.paste_line(event.lines[0])
        self.notify(
            f"{self.label} holds one line: the first of {len(event.lines)} was pasted.",
            title="Lines left out",
            severity="warning",
        )

    def _complete(self, text: str) -> Sequence[str]:
        names = complete_name(text, self.suggestions)
        match self.spec.holds:
            case "path":
                return [*names, *complete_path(text)]
            case "lines":
                return complete_placeholder(text, self.suggestions)
            case _:
                return names

    def _note_for(self, value: Any) -> str:
        if self.spec.kind == "bool":
            return "on" if value else "off"
        return self.spec.unit


def _lines_input(text: str) -> LinesInput:
    # Deferred: few forms hold a text of several lines, and TextArea takes long to import.
    from deepsynth_tui.tui.widgets.lines_input import LinesInput

    return LinesInput(text)


def adjacent_step(value: Any, steps: Sequence[Any], direction: int) -> Any:
    """Return the next lower (-1) or higher (1) of ascending `steps`, None if there is none.

    A value that is neither a step nor a number steps to the first.
    """
    if value in steps:
        index = steps.index(value) + direction
        return steps[index] if 0 <= index < len(steps) else value
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return steps[0] if steps else None
    beyond = [step for step in steps if (step > value) == (direction > 0)]
    return (beyond[0] if direction > 0 else beyond[-1]) if beyond else None
