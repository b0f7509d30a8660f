"""A run whose every text attacks the terminal, in the whole application."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.terminal_text import is_harmless
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from deepsynth_tui.tui.terminal_console import TerminalConsole
from tests.pilot.recorded_runs import alive, append, new_run
from tests.pilot.screen_host import text_of, until

HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\x9b2J\u202e\u2066\u200b\x85[@click=app.bell]no[/] [/b]"


@pytest.fixture
def hostile(home: Path) -> RunDirectory:
    run = new_run(home, f"name{HOSTILE}", f"kind{HOSTILE}")
    sample = {"input": HOSTILE, "target": HOSTILE, "output": HOSTILE, "when": HOSTILE}
    progress = {"done": 10**400, "total": 10**400, "unit": HOSTILE}
    append(
        run,
        [
            (0, "phase", {"name": f"phase{HOSTILE}", "detail": HOSTILE}),
            (1, "progress", progress),
            (2, "progress", {**progress, "done": 3, "total": 9}),
            (3, "metric", {"step": 1, "loss": 1e299, "nonfinite": {HOSTILE: HOSTILE}}),
            (4, "metric", {"step": 10**400, "loss": -1e299}),
            (5, "warning", {"message": HOSTILE}),
            (6, "sample", sample),
        ],
    )
    run.console.write_text(f"log{HOSTILE}\n")
    alive(run, "training")
    return run


def assert_only_text_is_drawn(pilot: Pilot[Any]) -> None:
    for strip in pilot.app.screen._compositor.render_strips():
        for segment in strip:
            assert is_harmless(segment.text), repr(segment.text)
            assert segment.style is None or segment.style.meta.get("@click") != "app.bell"


async def test_monitor_and_list(home: Path, hostile: RunDirectory):
    app = DeepsynthApp(home, mode="runs", open_run=hostile)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        await until(pilot, lambda: "log" in text_of(app.screen))
        assert_only_text_is_drawn(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "kind" in text_of(app.screen))
        assert_only_text_is_drawn(pilot)
        farewell = app.farewell()
        assert farewell is not None
        printed = io.StringIO()
        console = TerminalConsole(file=printed, markup=False, highlight=False, width=400)
        console.print(farewell)
        assert is_harmless(printed.getvalue().rstrip("\n"))


async def test_notifications_are_not_markup(home: Path):
    app = DeepsynthApp(home, mode="runs")
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        app.notify(HOSTILE, title=HOSTILE, markup=True)
        app.screen.notify("x[/b]y[@click=app.bell]z", title="[b]")
        await until(pilot, lambda: len(app.screen.query(Toast)) == 2)
        assert_only_text_is_drawn(pilot)
        assert any("x[/b]y[@click=app.bell]z" in str(toast.render()) for toast in app.query(Toast))
