"""How a run's view and the list of runs look: pictures to compare with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from deepsynth_tui.tui.screens.runs import RunsScreen
from tests.pilot.recorded_runs import (
    START,
    alive,
    append,
    console,
    drawing,
    drawn,
    ended,
    finish,
    new_run,
    training,
    vanished,
)
from tests.pilot.screen_host import ScreenHost, text_of, until

SIZES = [(80, 24), (120, 36), (200, 50)]
HOME = Path("home")
ERROR = {
    "class": "OutOfMemoryError",
    "message": "CUDA out of memory. Tried to allocate 1.2 GiB",
    "advice": "Lower training.per_device_train_batch_size (raise gradient_accumulation_steps to "
    "match), or turn on quantization. `deepsynth-tui estimate` shows what fits.",
}


@pytest.fixture(autouse=True)
def same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Paths and run ids that do not depend on where and when the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def running() -> RunDirectory:
    run = new_run(HOME, "demo-train")
    append(run, list(training(74)))
    run.console.write_text(console(74))
    alive(run, "training", at=80)
    return run


def failed() -> RunDirectory:
    run = running()
    append(run, [(81, "error", ERROR), (81, "done", {"verdict": "failed"})])
    ended(run)
    return run


def done() -> RunDirectory:
    run = new_run(HOME, "demo-train")
    append(run, [*training(120), *finish(126, run)])
    run.console.write_text(console(120))
    ended(run)
    return run


def shown(*texts: str) -> Callable[[Pilot[Any]], Any]:
    """Wait for `texts` before the picture is taken."""

    async def wait(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts))

    return wait


def host(screen: Callable[[], Screen[Any]]) -> ScreenHost:
    return ScreenHost(HOME, screen)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("make", "until_shown"), [(running, "● training"), (failed, "✗ failed"), (done, "✓ done")]
)
def test_monitor(
    snap_compare: Any, make: Callable[[], RunDirectory], until_shown: str, size: tuple[int, int]
):
    run = make()
    app = host(lambda: MonitorScreen(run, clock=lambda: START + 81))
    assert snap_compare(app, terminal_size=size, run_before=shown(until_shown, "loss 0."))


@pytest.mark.parametrize("size", SIZES[:2])
def test_stop(snap_compare: Any, size: tuple[int, int]):
    run = running()

    async def ask(pilot: Pilot[Any]) -> None:
        await shown("● training", "step   74")(pilot)
        await pilot.press("s")
        await shown("Stop demo-train?")(pilot)

    app = host(lambda: MonitorScreen(run, clock=lambda: START + 81))
    assert snap_compare(app, terminal_size=size, run_before=ask)


@pytest.mark.parametrize("size", SIZES)
def test_runs(snap_compare: Any, size: tuple[int, int]):
    pages = new_run(HOME, "sample-pages", "dataset")
    append(pages, [*drawing(40), *drawn(pages)])
    ended(pages)
    work = new_run(HOME, "demo-train", later=10)
    append(work, list(training(64)))
    alive(work, "training", at=80)
    lost = new_run(HOME, "a-name-longer-than-the-room-there-is-for-it", later=20)
    append(lost, list(training(20)))
    vanished(lost)
    app = host(lambda: RunsScreen(clock=lambda: START + 90))
    assert snap_compare(app, terminal_size=size, run_before=shown("✗ crashed", "attach"))


@pytest.mark.parametrize("size", SIZES[:2])
def test_no_runs(snap_compare: Any, size: tuple[int, int]):
    app = host(lambda: RunsScreen(clock=lambda: START))
    assert snap_compare(app, terminal_size=size, run_before=shown("No runs yet."))


def test_without_colour(snap_compare: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    run = running()
    app = host(lambda: MonitorScreen(run, clock=lambda: START + 81))
    assert snap_compare(app, terminal_size=SIZES[0], run_before=shown("● training", "loss 0."))
