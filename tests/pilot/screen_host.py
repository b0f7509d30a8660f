"""An application with one screen: it implements `AppApi` by recording the calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.themes import THEMES
from tests.pilot.recorded_runs import START


class ThemedHost(App[None]):
    """Has the themes of the interface, with whose variables widgets are styled."""

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name


class ScreenHost(ThemedHost):
    """Shows the screen that `first` makes. `calls` holds the calls of `AppApi`."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, home: Path, first: Callable[[], Screen[Any]]) -> None:
        super().__init__()
        self.home = home
        self.calls: list[tuple[str, object]] = []
        self.painted = 0
        self._first = first
        self.animation_level = "none"

    def on_mount(self) -> None:
        self.push_screen(self._first())

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        self.painted += 1
        super()._display(screen, renderable)

    def open_run(self, run: RunDirectory) -> None:
        self.calls.append(("run", run.id))

    def use_dataset(self, path: str) -> None:
        self.calls.append(("dataset", path))

    def use_config(self, values: Mapping[str, Any], kind: str) -> None:
        self.calls.append((kind, values))

    def report_error(self, error: BaseException) -> None:
        self.calls.append(("error", error))


class CountingClock:
    """A clock that stands still at START + `at` and counts its readings, one for each poll."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.calls = 0

    def __call__(self) -> float:
        self.calls += 1
        return START + self.at

    async def polls(self, pilot: Pilot[Any], more: int) -> None:
        """Wait until the reader has polled `more` times and the result is on screen."""
        enough = self.calls + more + 1
        await until(pilot, lambda: self.calls >= enough)


async def until(pilot: Pilot[Any], condition: Callable[[], bool], *, turns: int = 600) -> None:
    """Run the application until `condition` holds; fail after a generous number of turns, which
    has to be larger where a process must start first."""
    for _ in range(turns):
        await pilot.pause(0.02)
        if condition():
            await pilot.pause()
            return
    raise AssertionError(f"the condition never held: {condition}")


def text_of(screen: Screen[Any]) -> str:
    """Return the text on the screen, in lines without trailing spaces."""
    strips = screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)
