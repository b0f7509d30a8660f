"""Dialogs about a run: one value or one choice, which the caller acts upon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, OptionList, SelectionList, Static
from textual.widgets.selection_list import Selection

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmModalScreen

Result = TypeVar("Result")


class RunDialog(CalmModalScreen[Result | None]):
    """Base of these dialogs: a title, a text, and what the subclass composes. Returns None if it
    is closed."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("run_dialog")

    def __init__(self, title: str, text: RenderableType = "", *, is_warning: bool = False) -> None:
        super().__init__()
        self._title_text = title
        self._text = text
        self._is_warning = is_warning

    def compose(self) -> ComposeResult:
        with Container(classes="dialog -warning" if self._is_warning else "dialog"):
            yield Static(self._title_text, classes="dialog-title", markup=False)
            if self._text:
                yield Static(self._text, markup=False)
            yield from self.compose_input()

    def compose_input(self) -> ComposeResult:
        """Yield what the user answers with."""
        raise NotImplementedError

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class AskText(RunDialog[str]):
    """Asks for a text; returns it if it is valid.

    Args:
        problem: Returns what is wrong with a text, empty if nothing is.
    """

    def __init__(self, title: str, text: str, value: str, problem: Callable[[str], str]) -> None:
        super().__init__(title, text)
        self._value, self._problem = value, problem

    def compose_input(self) -> ComposeResult:
        yield Input(self._value)
        yield Static(f"Enter accepts   {key_of('run_dialog.close')} closes", id="keys")
        yield Static(id="problem", markup=False)

    @on(Input.Changed)
    def _clear_problem(self) -> None:
        self.query_one("#problem", Static).update("")

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        if problem := self._problem(event.value):
            self.query_one("#problem", Static).update(f"✗ {problem}")
        else:
            self.dismiss(event.value)


class Confirm(RunDialog[bool]):
    """Asks before something that cannot be undone; the safe choice is highlighted."""

    def __init__(self, title: str, text: RenderableType, action: str) -> None:
        super().__init__(title, text, is_warning=True)
        self._action = action

    def compose_input(self) -> ComposeResult:
        yield OptionList("Close", self._action)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index == 1 or None)


class ChooseSome(RunDialog[tuple[str, ...]]):
    """Asks for some of several choices, at most `most`; Enter returns them."""

    def __init__(
        self, title: str, choices: Sequence[tuple[str, str]], chosen: Sequence[str], most: int
    ) -> None:
        """`choices` are values and labels."""
        close = key_of("run_dialog.close")
        super().__init__(title, f"Space or Enter chooses, at most {most}; {close} closes.")
        self._choices, self._chosen, self._most = choices, tuple(chosen), most

    def compose_input(self) -> ComposeResult:
        yield SelectionList(
            *(
                Selection(Content(label), value, value in self._chosen)
                for value, label in self._choices
            ),
            compact=True,
        )

    @on(SelectionList.SelectedChanged)
    def _limit(self, event: SelectionList.SelectedChanged[str]) -> None:
        selected = event.selection_list.selected
        if len(selected) > self._most:
            (extra,) = set(selected) - set(self._chosen)
            event.selection_list.deselect(extra)
            self.notify(f"At most {self._most}: take another one out first")
            return
        # In the order in which they were chosen, which is that of the panes.
        kept = [name for name in self._chosen if name in selected]
        self._chosen = (*kept, *(name for name in selected if name not in kept))

    def action_close(self) -> None:
        """Return the choice."""
        self.dismiss(self._chosen)


class ChooseOne(RunDialog[str]):
    """Asks for one of several choices; returns its value."""

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        """`choices` are values and what they mean."""
        super().__init__(title)
        self._choices = choices

    def compose_input(self) -> ComposeResult:
        width = max(len(value) for value, _ in self._choices)
        yield OptionList(
            *(
                Content.assemble((f"{value:<{width}}  ", "bold"), meaning)
                for value, meaning in self._choices
            )
        )

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index][0])


@dataclass(frozen=True, slots=True)
class AskedValue:
    """A value that `AskValues` asks for; `placeholder` says what an empty one means."""

    key: str
    label: str
    value: str = ""
    placeholder: str = ""


class AskValues(RunDialog[dict[str, str]]):
    """Asks for several texts; returns them by key, without white space around, if they are valid.

    Args:
        problem: Returns what is wrong with the values, empty if nothing is.
    """

    def __init__(
        self,
        title: str,
        text: RenderableType,
        values: Sequence[AskedValue],
        problem: Callable[[dict[str, str]], str],
    ) -> None:
        super().__init__(title, text)
        self._values, self._problem = values, problem

    def compose_input(self) -> ComposeResult:
        for value in self._values:
            with Container(classes="value"):
                yield Static(value.label, markup=False)
                yield Input(value.value, placeholder=value.placeholder, id=value.key)
        keys = f"Tab goes on   Enter accepts   {key_of('run_dialog.close')} closes"
        yield Static(keys, id="keys")
        yield Static(id="problem", markup=False)

    @on(Input.Changed)
    def _clear_problem(self) -> None:
        self.query_one("#problem", Static).update("")

    @on(Input.Submitted)
    def _accept(self) -> None:
        texts = {
            value.key: self.query_one(f"#{value.key}", Input).value.strip()
            for value in self._values
        }
        if problem := self._problem(texts):
            self.query_one("#problem", Static).update(f"✗ {problem}")
        else:
            self.dismiss(texts)


class Tell(RunDialog[None]):
    """Shows a text that may be long."""

    def compose_input(self) -> ComposeResult:
        yield OptionList("Close")

    @on(OptionList.OptionSelected)
    def _close(self) -> None:
        self.dismiss(None)
