"""The overview of a log equals what folding all of its events gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepsynth_tui.runs import log_overview
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.log_overview import CURVE_POINTS, LogOverview, OverviewReader
from deepsynth_tui.runs.state_reader import StateReader
from tests.pilot.recorded_runs import START, Recorded, append, finish, new_run, training


def overview_of(run: RunDirectory, *, live: bool = False) -> LogOverview:
    reader = OverviewReader(run)
    reader.poll()
    return reader.overview(live=live)


def series_of(run: RunDirectory, name: str) -> list[float]:
    reader = StateReader(run)
    reader.poll()
    return [value for _, value in reader.state.series.get(name, ())]


def killed_and_resumed(run: RunDirectory) -> list[Recorded]:
    """50 steps, a kill, and another process that begins again at step 40."""
    later = [
        (t + 1000, kind, {**data, "step": data["step"] + 40} if "step" in data else data)
        for t, kind, data in training(30)
    ]
    resumed = [(1004.0, "phase", {"name": "resumed", "step": 40})]
    return sorted([*training(50), *later, *resumed], key=lambda event: event[0])


def test_the_overview_of_a_whole_run(home: Path) -> None:
    run = new_run(home, "run")
    append(run, [*training(120), *finish(127.0, run)])
    overview = overview_of(run)
    losses = series_of(run, "loss")
    assert len(overview.losses) == CURVE_POINTS
    assert set(overview.losses) <= set(losses)
    assert overview.losses[-1] == losses[-1]
    assert overview.best_eval == min(series_of(run, "eval_loss"))
    assert overview.seconds(START + 5000) == pytest.approx(129.0)


def test_time_between_a_kill_and_the_next_process_is_no_work(home: Path) -> None:
    run = new_run(home, "run")
    append(run, killed_and_resumed(run))
    overview = overview_of(run)
    assert overview.worked == pytest.approx(56 + 36)
    assert len(series_of(run, "loss")) == 70
    assert overview.losses[-1] == series_of(run, "loss")[-1]


def test_the_last_phase_of_a_live_run_goes_on(home: Path) -> None:
    run = new_run(home, "run")
    append(run, list(training(20)))
    overview = overview_of(run, live=True)
    assert overview.seconds(START + 500) == pytest.approx(500)
    assert overview.seconds(START + 600) == pytest.approx(600)


@pytest.mark.parametrize("steps", [1, 7, 255, 256, 257, 3000])
@pytest.mark.parametrize("batch", [300, 5000, 1 << 20])
def test_batches_make_no_difference_to_what_is_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, steps: int, batch: int
) -> None:
    run = new_run(home, "run")
    append(run, list(training(steps)))
    whole = overview_of(run)
    monkeypatch.setattr(log_overview, "BATCH", batch)
    parts = overview_of(run)
    assert (parts.best_eval, parts.worked) == (whole.best_eval, whole.worked)
    assert len(parts.losses) == len(whole.losses) == min(steps, CURVE_POINTS)
    assert parts.losses[-1] == whole.losses[-1]
    losses = series_of(run, "loss")
    if steps > CURVE_POINTS:
        for index, value in enumerate(parts.losses):
            first, last = ((index + d) * steps // CURVE_POINTS for d in (-1, 3))
            assert value in losses[max(0, first) : last]


def test_lines_that_grow_are_read_on(home: Path) -> None:
    run = new_run(home, "run")
    events = list(training(100))
    reader = OverviewReader(run)
    for start in range(0, len(events), 17):
        append(run, events[start : start + 17])
        reader.poll()
    assert reader.overview(live=False) == overview_of(run)


def test_a_kept_overview_counts_for_the_log_as_it_was(home: Path) -> None:
    run = new_run(home, "run")
    append(run, list(training(500)))
    overview = overview_of(run)
    log_overview.save(run, overview)
    assert log_overview.load(run) == overview
    append(run, [(600.0, "metric", {"step": 501, "loss": 9.0})])
    assert log_overview.load(run) is None


def test_a_short_log_is_read_again(home: Path) -> None:
    run = new_run(home, "run")
    append(run, list(training(3)))
    log_overview.save(run, overview_of(run))
    assert not run.overview.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"losses": "x"},
        {"losses": [None]},
        {"losses": [True]},
        {"best_eval": "low"},
        {"worked": []},
        {"size": 1},
        {"changed_ns": 1},
    ],
)
def test_a_damaged_overview_counts_as_absent(home: Path, change: dict[str, object]) -> None:
    run = new_run(home, "run")
    append(run, list(training(500)))
    log_overview.save(run, overview_of(run))
    content = json.loads(run.overview.read_bytes())
    run.overview.write_text(json.dumps({**content, **change}))
    assert log_overview.load(run) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "\0" * 100])
def test_a_file_of_anything_else_counts_as_absent(home: Path, text: str) -> None:
    run = new_run(home, "run")
    append(run, list(training(500)))
    run.overview.write_text(text)
    assert log_overview.load(run) is None


def test_a_folder_that_cannot_be_written_is_left_as_it_is(home: Path) -> None:
    run = new_run(home, "run")
    append(run, list(training(500)))
    run.overview.mkdir()
    log_overview.save(run, overview_of(run))
    assert run.overview.is_dir()
    assert not list(run.path.glob(".overview.json*"))


def test_every_loss_of_a_short_log_is_shown(home: Path) -> None:
    run = new_run(home, "run")
    append(run, [(step, "metric", {"step": step, "loss": 9.0 - step}) for step in range(1, 8)])
    assert overview_of(run).losses == (8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0)


def test_only_metrics_have_a_loss(home: Path) -> None:
    run = new_run(home, "run")
    others = ("checkpoint", "warning")
    append(run, [(0, kind, {"path": "x", "step": 1, "loss": 7.0}) for kind in others])
    append(run, [(1, "metric", {"step": 2, "loss": 5.0})])
    append(run, [(2, kind, {"path": "x", "step": 3, "loss": 7.0}) for kind in others])
    assert overview_of(run).losses == (5.0,)


def test_reading_ends_after_its_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_overview, "BATCH", 300)
    run = new_run(home, "run")
    append(run, list(training(20)))
    reader = OverviewReader(run)
    reader.poll(0)
    assert reader.is_behind
    reader.poll(3600)
    assert not reader.is_behind
    assert reader.overview(live=False) == overview_of(run)
