"""A state of the application: what is on disk, and which keys lead to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.app_protocol import Mode
from tests.pilot.forms import cache_model_layout
from tests.pilot.screen_host import text_of, until

PROCESS_TURNS = 1500
"""Turns to wait for a process, which must start first."""


@dataclass(frozen=True, slots=True)
class State:
    """How to bring the application into a state. `prepare` makes runs, `show` presses keys."""

    name: str
    mode: Mode
    show: Callable[[Pilot[Any]], Awaitable[None]]
    prepare: Callable[[Path], object] = lambda home: None


def app_in(state: State, home: Path, settings_file: Path | None = None) -> DeepsynthApp:
    """Return an application that has the runs of a state, and knows the default model."""
    home.mkdir(parents=True, exist_ok=True)
    cache_model_layout()
    state.prepare(home)
    return DeepsynthApp(home, mode=state.mode, settings_file=settings_file)


async def shows_page(pilot: Pilot[Any]) -> None:
    """Wait for the braille characters of a page, which a process has to read."""
    await until(
        pilot,
        lambda: any("⠀" < each <= "⣿" for each in text_of(pilot.app.screen)),
        turns=PROCESS_TURNS,
    )


async def shows(pilot: Pilot[Any], *texts: str, turns: int = 600) -> None:
    """Wait for texts on the screen; longer where a process must start first."""
    await until(
        pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts), turns=turns
    )
