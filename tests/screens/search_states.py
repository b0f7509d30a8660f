"""The queue, searches and the settings of the interface in their states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from deepsynth_tui.runs import file_lock, queue
from deepsynth_tui.runs.supervisor_status import (
    SupervisorStatus,
    supervisor_lock,
    write_supervisor,
)
from deepsynth_tui.search.results import SearchResults, TrialRow, write_results
from tests.pilot.recorded_runs import START, alive, append, new_run, training
from tests.screens.state import State, shows

Show = Callable[[Pilot[Any]], Awaitable[None]]

TRIAL = TrialRow(
    number=0,
    state="done",
    score=0.5,
    values={"training.learning_rate": 0.001, "lora.r": 8, "lora.lora_dropout": 0.05},
    run="rates-000",
    run_state="done",
    continues=None,
    steps=96,
    seconds=612.0,
    needed_bytes=18 * 2**30,
    peak_bytes=17 * 2**30,
    cost=0.76,
    reason="",
)
TRIALS = tuple(
    replace(
        TRIAL,
        number=number,
        state=state,
        score=score,
        values={"training.learning_rate": rate, "lora.r": r, "lora.lora_dropout": 0.05},
        run=f"rates-{number:03d}",
        run_state=run_state,
        steps=steps,
        seconds=6.4 * steps,
        cost=0.0079 * steps,
        reason=reason,
    )
    for number, state, score, rate, r, run_state, steps, reason in (
        (0, "done", 0.731, 0.0001, 8, "done", 96, ""),
        (1, "done", 0.402, 0.0004, 16, "done", 96, ""),
        (2, "pruned", 1.204, 0.00002, 4, "stopped", 24, "paused at step 24: 2 of 3 were better"),
        (3, "failed", None, 0.0004, 128, "failed", 0, "CUDA out of memory at the first step"),
        (4, "done", 0.418, 0.0005, 32, "done", 96, ""),
    )
)
RESULTS = SearchResults(
    name="rates",
    path="",
    metric="eval_loss",
    direction="minimize",
    trials=TRIALS,
    best=1,
    importance={"training.learning_rate": 0.71, "lora.r": 0.24, "lora.lora_dropout": 0.05},
    steps=312,
    ended="",
)


def waiting_runs(home: Path) -> None:
    """A run at work, two that wait for it, and one that is held."""
    locked = file_lock.try_lock(supervisor_lock(home))
    assert locked is not None, "no supervisor is to start the runs"
    work = new_run(home, "rank16")
    append(work, list(training(74)))
    alive(work, "training")
    names = ("rank32", "rank64", "rank128")
    runs = [new_run(home, name, later=n + 1) for n, name in enumerate(names)]
    for run in runs:
        queue.enqueue(home, run, device="gpu")
    queue.hold(home, runs[2])
    reasons = {run.id: "needs 18.0 GiB; 3.1 GiB are free on GPU 0" for run in runs}
    write_supervisor(home, SupervisorStatus(1, START, reasons))


def search(home: Path, results: SearchResults | None, *, is_running: bool = False) -> None:
    """Write a search with these results."""
    folder = home / "searches" / "rates"
    (folder / "trials").mkdir(parents=True)
    (folder / "search.json").write_text("{}")
    if results is not None:
        write_results(folder / "results.json", results)
    if is_running:
        assert file_lock.try_lock(folder / "lock") is not None


def running_search(home: Path) -> None:
    last = replace(TRIALS[4], state="running", score=None, run_state="training", steps=41)
    running = replace(RESULTS, trials=(*TRIALS[:4], last), importance="5 trials must be done first")
    search(home, running, is_running=True)


def failed_search(home: Path) -> None:
    trials = tuple(replace(TRIALS[3], number=n, run=f"rates-{n:03d}") for n in range(3))
    reason = "3 trials failed one after the other"
    search(home, replace(RESULTS, trials=trials, best=None, importance="no trial", ended=reason))


def _queue(*keys: str, text: str = "position 2") -> Show:
    async def show(pilot: Pilot[Any]) -> None:
        await shows(pilot, "queued 1", "held 3", "running 61 %")
        await pilot.press("down", *keys)
        await shows(pilot, text)

    return show


def _searches(*keys: str, text: str) -> Show:
    async def show(pilot: Pilot[Any]) -> None:
        await shows(pilot, "No runs yet.")
        await pilot.press("v")
        await shows(pilot, text)
        await pilot.press(*keys)

    return show


def _settings(*keys: str, text: str) -> Show:
    async def show(pilot: Pilot[Any]) -> None:
        await pilot.press("f12")
        await shows(pilot, "Notifications", "Keys")
        await pilot.press(*keys)
        await shows(pilot, text)

    return show


async def _wrong_setting(pilot: Pilot[Any]) -> None:
    await _settings(text="Theme")(pilot)
    seconds = list(pilot.app.screen.query(Input))[-1]
    pilot.app.screen.set_focus(seconds)
    await pilot.press("0")
    await shows(pilot, "must be")


SEARCH_STATES = (
    State("queue-filled", "runs", _queue(), waiting_runs),
    State("queue-stop", "runs", _queue("s", text="out of the queue?"), waiting_runs),
    State("trials-empty", "runs", _searches(text="No searches yet.")),
    State("trials-starting", "runs", _searches(text="no results"), lambda home: search(home, None)),
    State("trials-running", "runs", _searches(text="running"), running_search),
    State(
        "trials-ended", "runs", _searches("down", text="71%"), lambda home: search(home, RESULTS)
    ),
    State("trials-error", "runs", _searches(text="ended: 3 trials"), failed_search),
    State("settings", "training", _settings(text="ASCII only")),
    State("settings-changed", "runs", _settings("right", "down", "right", text="always")),
    State("settings-error", "runs", _wrong_setting),
)
