"""Help: the meaning of the focused field, and every key that applies now."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.calm_screen import CalmModalScreen
from deepsynth_tui.tui.key_paths import applicable_paths
from deepsynth_tui.tui.palette import ApplicableAction, applicable_actions
from deepsynth_tui.tui.themes import rich_colour


class HelpScreen(CalmModalScreen[None]):
    """Lists the actions of the screen below. Typing filters, Enter runs the highlighted action."""

    CSS_PATH = ["dialog.tcss", "help.tcss"]
    BINDINGS = bindings("help")

    def __init__(self, below: Screen[object], focused_field: str = "") -> None:
        """`focused_field` explains the focused field, empty where none has the focus."""
        super().__init__()
        self._focused_field = focused_field
        # Actions of the screen below come before those that apply everywhere.
        actions = sorted(applicable_actions(below), key=lambda each: each.action.place == "app")
        self._actions = {each.action.id: each for each in actions}
        self._keys_width = max(len(each.keys) for each in actions)
        self._label_width = max(len(each.action.label) for each in actions)

    def compose(self) -> ComposeResult:
        close = key_of("help.close")
        with Container(classes="dialog -wide"):
            yield Static("Help", classes="dialog-title")
            if self._focused_field:
                yield Static(self._focused_field, markup=False, id="focused-field")
            yield Static(self._key_paths(), id="key-paths")
            yield Input(placeholder=f"Type to filter; Enter runs, {close} closes", compact=True)
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
        """Close the help and run an action on the screen below."""
        chosen, app = self._actions[action_id], self.app
        self.dismiss()
        app.call_later(app.run_action, chosen.action.method, chosen.node)

    def _key_paths(self) -> Content:
        """Return what takes few keys, such as `Esc → next rank`."""
        parts: list[tuple[str, str]] = []
        for keys, goal in applicable_paths(self._actions):
            parts += [(keys, "bold $primary"), (f" {goal}   ", "$muted")]
        return Content.assemble(*parts)

    def _options(self, query: str) -> list[Option]:
        return [
            Option(self._prompt(each), id=action_id)
            for action_id, each in self._actions.items()
            if query in f"{each.keys} {each.action.label} {each.action.help}".casefold()
        ]

    def _prompt(self, each: ApplicableAction) -> Table:
        """Return keys, label and help in columns; long help wraps within its own column."""
        colours = self.app.theme_variables
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(
            width=self._keys_width, style=f"bold {rich_colour(colours, 'primary')}", no_wrap=True
        )
        grid.add_column(width=self._label_width, no_wrap=True)
        grid.add_column(ratio=1, style=rich_colour(colours, "muted"))
        grid.add_row(Text(each.keys), Text(each.action.label), Text(each.action.help))
        return grid
