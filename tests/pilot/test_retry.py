"""Retrying a failed run: the dialog shows what changes, asks once, and starts a new run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory, list_runs, open_run, read_identity
from deepsynth_tui.tui.screens.monitor import MonitorScreen
from deepsynth_tui.tui.screens.retry import RetryDialog
from tests.pilot.recorded_runs import alive, append, ended, new_run, training
from tests.pilot.screen_host import text_of, until
from tests.pilot.test_monitor import SMALL, host, shows

CONFIG = (
    "kind: training\nname: invoices\nmodel: {name_or_path: builtin:tiny-vlm}\n"
    "data: {path: /no/such/pages}\n"
    "training: {per_device_train_batch_size: 4, gradient_accumulation_steps: 2}  # as on the T4\n"
)
SMALLER = {"training.per_device_train_batch_size": 1, "training.gradient_accumulation_steps": 8}


def fail(run: RunDirectory, **more: object) -> RunDirectory:
    """End the run with an out-of-memory error."""
    error = {"class": "OutOfMemoryError", "message": "The GPU ran out of memory", "advice": "Less."}
    append(run, [(81, "error", {**error, **more}), (81, "done", {"verdict": "failed"})])
    ended(run)
    return run


@pytest.fixture
def full(home: Path) -> RunDirectory:
    """A run out of memory at step 74, with its last checkpoint at step 60."""
    run = new_run(home, "invoices", config_text=CONFIG)
    append(run, list(training(74)))
    return fail(run, changes=SMALLER)


async def test_it_shows_the_changes_asks_and_starts_a_new_run(home: Path, full: RunDirectory):
    app = host(home, full, now=90)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "Retry with", "per_device_train_batch_size: 1", "r Retry")
        assert "s Stop" not in text_of(app.screen)
        await pilot.press("r")
        await shows(
            pilot,
            "Retry invoices?",
            "Starts a new run with:",
            "training.per_device_train_batch_size  4 → 1",
            "training.gradient_accumulation_steps  2 → 8",
            "It continues from the last complete checkpoint, step 60.",
        )
        assert list_runs(home) == [full]
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.calls))
    (new,) = [run for run in list_runs(home) if run != full]
    control.stop_and_wait(new, grace=1)
    assert app.calls == [("run", new.id)]
    continued = read_identity(new).continues
    assert continued is not None
    assert open_run(continued.path) == full
    config = load_file(new.config).config
    assert isinstance(config, TrainingConfig)
    assert config.training.per_device_train_batch_size == 1
    assert "# as on the T4" in new.config.read_text()
    assert full.config.read_text() == CONFIG


async def test_a_retry_without_a_difference_says_so(home: Path):
    config = CONFIG.replace("per_device_train_batch_size: 4", "per_device_train_batch_size: 1")
    config = config.replace("gradient_accumulation_steps: 2", "gradient_accumulation_steps: 8")
    run = fail(new_run(home, "invoices", config_text=config), changes=SMALLER)
    async with host(home, run, now=90).run_test(size=SMALL) as pilot:
        await shows(pilot, "r Retry")
        await pilot.press("r")
        await shows(pilot, "Starts a new run with the same settings.")


async def test_closing_starts_nothing(home: Path, full: RunDirectory):
    app = host(home, full, now=90)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "r Retry")
        await pilot.press("r")
        await shows(pilot, "Start the new run")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        await pilot.press("r")
        await shows(pilot, "Start the new run")
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
    assert list_runs(home) == [full]
    assert app.calls == []


async def test_it_says_why_it_starts_at_step_0(home: Path):
    run = new_run(home, "early", config_text=CONFIG)
    append(run, list(training(5)))
    fail(run, changes=SMALLER)
    other = new_run(home, "other", config_text=CONFIG)
    append(other, list(training(74)))
    fail(other, changes={"training.optim": "adamw_8bit"})
    for failed, reason in [(run, "there is no checkpoint"), (other, "training.optim has changed")]:
        async with host(home, failed, now=90).run_test(size=SMALL) as pilot:
            await shows(pilot, "r Retry")
            await pilot.press("r")
            await shows(pilot, f"It starts at step 0: {reason}")


async def test_unreadable_settings_are_reported(home: Path):
    run = new_run(home, "odd", config_text="kind: training\nmodle: {}\n")
    append(run, list(training(5)))
    fail(run, changes=SMALLER)
    app = host(home, run, now=90)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "r Retry")
        await pilot.press("r")
        await until(pilot, lambda: bool(app._notifications))
        assert "did you mean model?" in next(iter(app._notifications)).message
        assert isinstance(app.screen, MonitorScreen)


@pytest.mark.parametrize("why", ["no change", "live"])
async def test_without_a_suggested_change_or_an_end_there_is_no_key(home: Path, why: str):
    run = new_run(home, "plain", config_text=CONFIG)
    append(run, list(training(74)))
    fail(run, **({"changes": SMALLER} if why == "live" else {}))
    if why == "live":
        alive(run, "training", at=89)
    app = host(home, run, now=90)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "plain")
        await pilot.press("r")
        await pilot.pause()
        assert "Retry" not in text_of(app.screen)
        assert not any(isinstance(screen, RetryDialog) for screen in app.screen_stack)
