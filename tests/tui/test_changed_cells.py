"""A terminal shows an application the same whether all cells are written or only changed ones."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import constants, events
from textual.app import ComposeResult
from textual.content import Content
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Size
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from deepsynth_tui.tui.calm_screen import CalmModalScreen, CalmScreen
from deepsynth_tui.tui.changed_cells import ENVIRONMENT_VARIABLE, ChangedCellsApp
from deepsynth_tui.tui.terminal_cells import TerminalCells

COLOURS = {"truecolor": "truecolor", "256": "256", "16": "standard", "none": "truecolor"}
KEYS = (
    "tab",
    "shift+tab",
    "down",
    "up",
    "a",
    "漢",
    "é",
    "backspace",
    "home",
    "end",
    "f2",
    "escape",
)
TEXTS = ("", "plain", "[b]bold[/] [red on blue]red[/]", "漢字 and ⠿ braille ─┼─", "two\nlines")


class EmulatedTerminal(HeadlessDriver):
    """A driver that writes to an emulator."""

    screen: ClassVar[pyte.Screen]
    stream: ClassVar[pyte.Stream]
    written: ClassVar[int] = 0

    @classmethod
    def resize(cls, size: Size) -> None:
        """Start again with an empty screen, on which no line wraps."""
        cls.screen = pyte.Screen(size.width, size.height)
        cls.screen.reset_mode(7, private=True)
        cls.stream = pyte.Stream(cls.screen)

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        EmulatedTerminal.written += len(data)
        self.stream.feed(data)

    @classmethod
    def cells(cls) -> list[list[Any]]:
        lines = [cls.screen.buffer[y] for y in range(cls.screen.lines)]
        return [[line[x] for x in range(cls.screen.columns)] for line in lines]


class Dialog(CalmModalScreen[None]):
    CSS = "Dialog { align: center middle; } Dialog > Static { width: 21; border: round red; }"
    BINDINGS: ClassVar[list[Any]] = [("escape", "dismiss")]

    def compose(self) -> ComposeResult:
        yield Static("漢字漢字 on top of what is below")


class Main(CalmScreen[None]):
    def compose(self) -> ComposeResult:
        yield Input("漢字 text")
        yield OptionList("one", Content.from_markup("[b]two[/]"), "三つ目", "four")
        yield Static("…", id="text")


class Small(ChangedCellsApp[None]):
    """Widgets with wide characters, and a dialog."""

    CSS = "OptionList { height: 4; } Input:focus { background: $primary; }"
    BINDINGS: ClassVar[list[Any]] = [("f2", "open")]

    def on_mount(self) -> None:
        self.animation_level = "none"
        self.push_screen(Main())

    def action_open(self) -> None:
        if not isinstance(self.screen, Dialog):
            self.push_screen(Dialog())

    def show(self, text: str) -> None:
        self.screen_stack[1].query_one("#text", Static).update(text)


steps = st.lists(
    st.tuples(st.just("key"), st.sampled_from(KEYS))
    | st.tuples(st.just("text"), st.sampled_from(TEXTS))
    | st.tuples(st.just("size"), st.builds(Size, st.integers(12, 40), st.integers(6, 14))),
    max_size=8,
)


async def is_idle(pilot: Pilot[Any]) -> None:
    """Wait until nothing more is written."""
    while True:
        written = EmulatedTerminal.written
        await pilot.pause()
        await asyncio.sleep(0.02)  # longer than between two frames
        if EmulatedTerminal.written == written:
            return


async def drive(actions: list[tuple[str, Any]]) -> None:
    """Run the application; after each action, compare its screen with one that is drawn anew."""
    EmulatedTerminal.resize(size := Size(40, 12))

    async def act(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, Small)
        try:
            for kind, value in [("text", "first"), *actions]:
                if kind == "key":
                    app.post_message(events.Key(value, value if len(value) == 1 else None))
                elif kind == "text":
                    app.show(value)
                else:
                    EmulatedTerminal.resize(value)
                    app.post_message(events.Resize(value, value))
                await is_idle(pilot)
                shown = EmulatedTerminal.cells()
                # All of it as Textual writes it.
                EmulatedTerminal.resize(app.size)
                app._cells, cells = None, app._cells
                app.screen.refresh()
                await is_idle(pilot)
                app._cells = cells
                assert shown == EmulatedTerminal.cells(), (kind, value)
        finally:
            app.exit()

    app = Small(driver_class=EmulatedTerminal)
    await app.run_async(auto_pilot=act, size=(size.width, size.height))


@pytest.mark.parametrize("colours", COLOURS)
def test_the_screen_is_the_one_that_textual_draws(
    colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", COLOURS[colours])

    @settings(max_examples=4, deadline=None)
    @given(actions=steps)
    def compare(actions: list[tuple[str, Any]]) -> None:
        if colours == "none":
            monkeypatch.setenv("NO_COLOR", "1")  # each application takes it away
        asyncio.run(drive(actions))

    compare()


def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(Small()._cells, TerminalCells)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "0")
    assert Small()._cells is None
