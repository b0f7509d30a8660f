"""The list of runs, over real run directories."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.screens import runs as runs_screen
from deepsynth_tui.tui.screens.runs import RunsScreen
from deepsynth_tui.tui.widgets.run_table import RunTable
from tests.pilot.recorded_runs import (
    START,
    alive,
    append,
    drawing,
    drawn,
    ended,
    new_run,
    training,
    vanished,
)
from tests.pilot.screen_host import CountingClock, ScreenHost, text_of, until

SMALL, LARGE = (80, 24), (120, 36)


def host(home: Path, now: float = 90.0) -> ScreenHost:
    return ScreenHost(home, lambda: RunsScreen(clock=lambda: START + now))


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    await until(pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts))


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch):
    """Poll the directories without long pauses."""
    monkeypatch.setattr(runs_screen, "POLL_SECONDS", 0.05)


@pytest.fixture
def three(home: Path) -> list[RunDirectory]:
    """A completed dataset run, a live training run and a crashed one, oldest first."""
    pages = new_run(home, "pages", "dataset", later=0)
    append(pages, [*drawing(40), *drawn(pages)])
    ended(pages)
    work = new_run(home, "demo-train", later=10)
    append(work, list(training(74)))
    alive(work, "training", at=80)
    lost = new_run(home, "lost", later=20)
    append(lost, list(training(20)))
    vanished(lost)
    return [pages, work, lost]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_every_run_with_its_state_newest_first(
    home: Path, three: list[RunDirectory], size: tuple[int, int]
):
    async with host(home).run_test(size=size) as pilot:
        await shows(
            pilot,
            "✓ done",
            "● running",
            "✗ crashed",
            "step 74 of 120",
            "0.960",
            "1 min",
        )
        shown = text_of(pilot.app.screen)
        assert shown.index("lost") < shown.index("demo-train") < shown.index("pages")
        assert f"deepsynth-tui attach {three[2].id}" in shown


async def test_it_follows_the_directories_and_keeps_the_cursor(
    home: Path, three: list[RunDirectory]
):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 74 of 120")
        await pilot.press("down")
        await shows(pilot, f"attach {three[1].id}")
        append(three[1], [(85, "progress", {"done": 75, "total": 120, "unit": "steps"})])
        await shows(pilot, "step 75 of 120")
        newer = new_run(home, "newer", later=30)
        alive(newer, "starting", at=88)
        await shows(pilot, "○ starting", f"attach {three[1].id}")
        shutil.rmtree(three[1].path)
        await until(pilot, lambda: "demo-train" not in text_of(pilot.app.screen))


async def test_nothing_is_painted_while_nothing_changes(home: Path, three: list[RunDirectory]):
    clock = CountingClock(90)
    app = ScreenHost(home, lambda: RunsScreen(clock=clock))
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "step 74 of 120")
        await clock.polls(pilot, 2)
        painted = app.painted
        for beat in range(5):
            alive(three[1], "training", at=80.0 + beat / 10)
            await clock.polls(pilot, 1)
        assert app.painted == painted


async def test_enter_opens_the_highlighted_run(home: Path, three: list[RunDirectory]):
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.calls == [("run", three[1].id)])


async def test_stop_names_the_run_and_asks(home: Path, three: list[RunDirectory]):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunsScreen), "a crashed run cannot be stopped"
        await pilot.press("down", "s")
        await shows(pilot, "Stop demo-train?")
        await pilot.press("n")
        await until(pilot, lambda: control.pending_request(three[1]) == "stop")
        await shows(pilot, "◐ stopping")


async def test_clone_fills_the_form_with_its_settings(home: Path):
    text = "kind: training\nname: again\nlora:\n  r: 8\ndata:\n  path: some/data\n"
    run = new_run(home, "again", config_text=text)
    ended(run)
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "again")
        await pilot.press("c")
        await until(pilot, lambda: bool(app.calls))
    ((kind, values),) = app.calls
    assert kind == "training"
    assert isinstance(values, dict)
    assert values["lora"] == {"r": 8}
    assert values["data"] == {"path": "some/data"}


async def test_unreadable_settings_are_reported(home: Path):
    run = new_run(home, "odd", config_text="kind: training\nlora:\n  ranks: 8\n")
    ended(run)
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "odd")
        await pilot.press("c")
        await until(pilot, lambda: any("ranks" in n.message for n in app._notifications))
    assert app.calls == []


async def test_no_runs_yet_says_what_to_do(home: Path):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "No runs yet.", "F2 makes a dataset", "deepsynth-tui demo")
        run = new_run(home, "first")
        alive(run, "starting", at=88)
        await shows(pilot, "first")
        assert "No runs yet" not in text_of(pilot.app.screen)


async def test_a_long_name_leaves_room_for_the_figures(home: Path):
    run = new_run(home, "a name that is far longer than the room there is for it here")
    append(run, list(training(20)))
    alive(run, "training", at=80)
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "a name that", "step 20 of 120", "1 min")
        assert pilot.app.screen.query_one(RunTable).max_scroll_x == 0


async def test_a_hidden_list_does_not_poll(home: Path, three: list[RunDirectory]):
    clock = CountingClock(90)
    app = ScreenHost(home, lambda: RunsScreen(clock=clock))
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await clock.polls(pilot, 1)
        await pilot.press("down", "s")
        await shows(pilot, "Stop demo-train?")
        newer = new_run(home, "newer", later=30)
        alive(newer, "starting", at=88)
        await pilot.pause(10 * runs_screen.POLL_SECONDS)
        hidden = clock.calls
        await pilot.pause(10 * runs_screen.POLL_SECONDS)
        assert clock.calls == hidden
        await pilot.press("escape")
        await shows(pilot, "newer")
