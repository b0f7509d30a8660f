"""The mode bar: the live run on its right, on every main screen, at any width."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.runs.live_runs import LiveRuns
from deepsynth_tui.tui import app as app_module
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.run_view.live_run import LiveRun, LiveRunReader
from deepsynth_tui.tui.widgets.mode_bar import ModeBar, fit_live_run
from tests.pilot.recorded_runs import alive, append, drawing, ended, new_run, training
from tests.pilot.screen_host import text_of, until

LIVE = LiveRun("●", "$primary", "rank16", ("42/120", "loss 0.61", "3 min"))


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, "● rank16 42/120 loss 0.61 3 min"),
        (31, "● rank16 42/120 loss 0.61 3 min"),
        (26, "● rank16 42/120 loss 0.61"),
        (15, "● rank16 42/120"),
        (8, "● rank16"),
        (3, "●"),
        (0, ""),
    ],
)
def test_the_live_run_fits_its_room_by_priority(width: int, text: str) -> None:
    assert fit_live_run(LIVE, width).plain == text


def test_a_long_name_is_cut_before_figures_are_left_out() -> None:
    live = LiveRun("●", "$primary", "a-very-long-name", ("42/120",), others=2)
    assert fit_live_run(live, 20).plain == "● a-very-… 42/120 +2"


def test_a_name_is_shown_before_the_later_figures() -> None:
    live = LiveRun("●", "$primary", "pages-r16", ("42/120", "loss 0.61", "3 min"))
    assert fit_live_run(live, 33).plain == "● pages-r16 42/120 loss 0.61"
    assert fit_live_run(live, 34).plain == "● pages-r16 42/120 loss 0.61 3 min"


def test_the_newest_working_run_is_the_live_run(home: Path) -> None:
    reader = LiveRunReader(LiveRuns(home))
    assert reader.poll() is None
    run = new_run(home, "rank16")
    append(run, list(training(42)))
    alive(run, "training")
    waiting = new_run(home, "later", later=10)
    append(waiting, [(0, "phase", {"name": "waiting", "detail": f"for {run.id}"})])
    alive(waiting, "waiting")
    live = reader.poll()
    assert live is not None
    assert (live.name, live.figures[:2], live.others) == ("rank16", ("42/120", "loss 1.57"), 1)
    ended(run)
    live = reader.poll()
    assert live is not None
    assert (live.name, live.figures) == ("later", ("waiting",))
    ended(waiting)
    assert reader.poll() is None


async def test_at_80_columns_the_modes_leave_room_for_name_and_figures(home: Path) -> None:
    async with DeepsynthApp(home, mode="runs").run_test(size=(80, 24)) as pilot:
        bar = pilot.app.screen.query_one(ModeBar)
        bar.live = LiveRun("●", "$primary", "pages-r16", ("42/120", "loss 0.61", "3 min"))

        def line() -> str:
            return text_of(pilot.app.screen).splitlines()[0]

        await until(pilot, lambda: line().endswith("● pages-r16 42/120 loss 0.61"))
        assert line().startswith(" F2 Dataset F3 Training F4 [Runs] F8 Adapters ")
        await pilot.click(bar, offset=(line().index("Training"), 0))
        await until(pilot, lambda: pilot.app.current_mode == "training")


async def test_every_mode_shows_the_live_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "STARTUP_SECONDS", 0.05)
    monkeypatch.setattr(app_module, "LIVE_RUN_SECONDS", 0.05)
    run = new_run(home, "my-pages", "dataset")
    append(run, list(drawing(12)))
    alive(run, "drawing")
    async with DeepsynthApp(home, mode="runs").run_test(size=(80, 24)) as pilot:
        for key in ("f4", "f3", "f2"):
            await pilot.press(key)
            await until(
                pilot, lambda: "● my-pages 12/40" in text_of(pilot.app.screen).splitlines()[0]
            )
        ended(run)
        await until(pilot, lambda: "my-pages" not in text_of(pilot.app.screen).splitlines()[0])
