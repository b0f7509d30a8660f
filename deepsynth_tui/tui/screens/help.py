"""Help: what the focused field means, and every key that applies now, ready to be run."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.palette import Applicable, applicable_actions


class HelpScreen(ModalScreen[None]):
    """Filters as one types; Enter runs what is chosen on the screen below."""

    CSS_PATH = "dialog.tcss"
    BINDINGS = bindings("help")

    def __init__(self, below: Screen[object], about: str = "") -> None:
        super().__init__()
        self._below = below
        self._about = about
        # What belongs to the screen below comes before what applies everywhere.
        self._found = sorted(applicable_actions(below), key=lambda one: one.action.place == "app")

    def compose(self) -> ComposeResult:
        with Container(classes="dialog wide"):
            yield Static("Help", classes="dialog-title")
            if self._about:
                yield Static(self._about, markup=False, id="about")
            yield Input(
                placeholder=f"Type to filter; Enter runs, {key_of('help.close')} closes",
                compact=True,
            )
            yield OptionList(*self._options(""), id="keys", compact=True)

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = 0

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        keys = self.query_one(OptionList)
        keys.clear_options()
        keys.add_options(self._options(event.value.casefold()))
        keys.highlighted = 0 if keys.option_count else None

    @on(Input.Submitted)
    def _run_highlighted(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None and option.id is not None:
            self._run(option.id)

    @on(OptionList.OptionSelected)
    def _run_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self._run(event.option.id)

    def action_move(self, by: int) -> None:
        """Move the highlight while the filter has the focus."""
        keys = self.query_one(OptionList)
        if by > 0:
            keys.action_cursor_down()
        else:
            keys.action_cursor_up()

    def _run(self, action_id: str) -> None:
        chosen = next(one for one in self._found if one.action.id == action_id)
        app = self.app
        self.dismiss()
        app.call_later(app.run_action, chosen.action.method, chosen.node)

    def _options(self, query: str) -> list[Option]:
        return [
            Option(_line(one), id=one.action.id)
            for one in self._found
            if query in f"{one.keys} {one.action.label} {one.action.help}".casefold()
        ]


def _line(one: Applicable) -> Content:
    return Content.assemble(
        Content.styled(one.keys.ljust(12), "bold $primary"),
        one.action.label.ljust(16),
        Content.styled(one.action.help, "$muted"),
    )
