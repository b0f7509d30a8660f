"""Styles shared between nodes are those that Textual matches for each node by itself."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Container, Vertical
from textual.css.stylesheet import Stylesheet
from textual.widgets import Button, Checkbox, Input

from deepsynth_tui.tui.shared_styles import SharedStylesheet


class Rows(App[None]):
    CSS = """
    #first > Input { color: red; }
    .special Input { background: $primary; }
    .row:hover { background: $panel; }
    Container:disabled Input { text-style: italic; }
    Vertical:focus-within .row { margin: 1; }
    .row:last-child Button { width: 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.stylesheet = SharedStylesheet(variables=self.get_css_variables())

    def compose(self) -> ComposeResult:
        with Vertical():
            for name in ("first", "second", "third"):
                with Container(id=name, classes="row"):
                    yield Input(name)
                    yield Button(name)
                    yield Checkbox(name)


def plain_stylesheet(app: App[None]) -> Stylesheet:
    stylesheet = Stylesheet(variables=app.get_css_variables())
    stylesheet.source = app.stylesheet.source.copy()
    stylesheet.parse()
    return stylesheet


def assert_styles_are_those_of_textual(app: App[None]) -> None:
    plain = plain_stylesheet(app)
    for node in app.screen.walk_children(with_self=True):
        shared = node.styles.base.get_rules()
        parts = {name: styles.get_rules() for name, styles in node._component_styles.items()}
        plain.apply(node)
        assert node.styles.base.get_rules() == shared
        assert parts == {name: each.get_rules() for name, each in node._component_styles.items()}


async def test_shared_styles_are_those_of_textual():
    app = Rows()
    async with app.run_test() as pilot:
        assert_styles_are_those_of_textual(app)
        await pilot.press("tab", "tab", "tab")
        assert_styles_are_those_of_textual(app)
        app.query_one("#second").add_class("special")
        app.query_one("#third").disabled = True
        await pilot.hover("#first")
        await pilot.pause()
        assert_styles_are_those_of_textual(app)
        app.theme = "textual-light"
        await pilot.pause()
        assert_styles_are_those_of_textual(app)


async def test_nodes_that_no_selector_tells_apart_share_their_rules():
    app = Rows()
    async with app.run_test():
        stylesheet = app.stylesheet
        assert isinstance(stylesheet, SharedStylesheet)
        inputs = [stylesheet._signature(each) for each in app.query(Input)]
        assert inputs[1] == inputs[2] != inputs[0]
