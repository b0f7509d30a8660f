"""A search finds the best, prunes the rest, and goes on after it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.load_search import load_search
from deepsynth_tui.config.problems import Problem
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.queue.admission import Need
from deepsynth_tui.runs.directory import RunDirectory, list_runs
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.search import run_search
from deepsynth_tui.search.folder import open_folder, search_lock
from deepsynth_tui.search.prepare import prepare
from deepsynth_tui.search.results import SearchResults, read_results, table_lines
from deepsynth_tui.search.run_search import Search
from deepsynth_tui.search.space import Range
from tests.process.test_jobs import wait_until
from tests.search.conftest import BASE, STEPS, Write, create, small
from tests.search.dummy_job import loss

KILLED = """
import sys
from pathlib import Path
from tests.search.test_run_search import continue_search
continue_search(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def poll_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_search, "POLL_SECONDS", 0.02)


def search(home: Path, file: Path, need: object = small) -> SearchResults:
    create(home, file)
    return continue_search(home, file, need)


def continue_search(home: Path, file: Path, need: object = small) -> SearchResults:
    config = load_search(file)
    prepared = prepare(config, file, base_text=BASE)
    folder = open_folder(Path(config.output.dir or ""))
    with search_lock(folder):
        return Search(home, folder, config, prepared, print, need).run()  # type: ignore[arg-type]


def begun(results: Path) -> int:
    return len((read_results(results) or {"trials": ()})["trials"])


def starts(run: RunDirectory) -> int:
    return len((run.path / "starts").read_text().splitlines())


@pytest.mark.usefixtures("supervised")
def test_eight_trials_with_pruning_against_a_full_grid(
    home: Path, tmp_path: Path, write_search: Write
):
    found = search(home, write_search(trials=8))
    best = found.best_row
    assert best is not None
    assert best.score is not None
    rates = Range(5e-4, 5e-2, log=True).grid(8)
    assert best.score <= 1.02 * min(loss(rate, 8, STEPS) for rate in rates)
    assert found.steps <= 0.4 * len(rates) * STEPS
    assert {row.state for row in found.trials} == {"done", "pruned"}
    assert all("paused at step" in row.reason for row in found.trials if row.state == "pruned")
    config = load_file(tmp_path / "s" / "best.yaml", estimate_only=True).config
    assert isinstance(config, TrainingConfig)
    assert config.training.learning_rate == best.values["training.learning_rate"]
    stored = read_results(tmp_path / "s" / "results.json")
    assert stored is not None
    assert stored["best"] == found.best
    assert "only one parameter" in "\n".join(table_lines(found))
    assert all(summarize(run).state in ("done", "stopped") for run in list_runs(home))


@pytest.mark.usefixtures("supervised")
def test_a_grid_tries_every_combination(home: Path, write_search: Write):
    found = search(
        home,
        write_search(
            method="grid",
            pruner="none",
            parameters={
                "training.learning_rate": {"low": 2e-4, "high": 2e-2, "log": True, "points": 3},
                "lora.r": [8, 16],
            },
        ),
    )
    tried = {(row.values["training.learning_rate"], row.values["lora.r"]) for row in found.trials}
    assert tried == {(rate, r) for rate in (2e-4, 2e-3, 2e-2) for r in (8, 16)}
    assert found.best_row is not None
    assert dict(found.best_row.values) == {"training.learning_rate": 2e-3, "lora.r": 16}
    assert isinstance(found.importance, dict)
    assert found.importance["training.learning_rate"] > found.importance["lora.r"]


@pytest.mark.usefixtures("supervised")
def test_what_will_not_fit_never_starts_and_divergence_is_a_result(home: Path, write_search: Write):
    def need(config: TrainingConfig) -> Need:
        large = config.lora.r > 16
        problem = Problem("lora.r", "the run needs 99 GiB") if large else None
        return Need("cpu", needed=1, problem=problem)

    parameters = {"lora.r": [16, 64], "training.learning_rate": [1e-3, 0.9]}
    file = write_search(method="grid", pruner="none", parameters=parameters)
    found = search(home, file, need)
    rows = {tuple(row.values.values()): row for row in found.trials}
    assert "will not fit" in rows[64, 1e-3].reason
    assert rows[64, 1e-3].run == ""
    assert len(list_runs(home)) == 2
    assert rows[16, 0.9].state == "pruned"
    assert "diverged" in rows[16, 0.9].reason


@pytest.mark.usefixtures("supervised")
def test_a_killed_search_and_a_killed_trial_lose_nothing(
    home: Path, tmp_path: Path, write_search: Write
):
    file = write_search(trials=4, pruner="none")
    create(home, file)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    results = tmp_path / "s" / "results.json"
    for count in (1, 2):
        victim = subprocess.Popen([sys.executable, "-c", KILLED, home, file], env=env)
        wait_until(lambda count=count: begun(results) >= count)
        victim.kill()
        victim.wait()
    run = list_runs(home)[0]
    wait_until(lambda: summarize(run).state in ("running", "done"))
    status = read_status(run)
    assert status is not None
    assert status.pid is not None
    was_running = summarize(run).state == "running"
    if was_running:
        os.killpg(status.pid, signal.SIGKILL)
    with (tmp_path / "s" / "optuna.log").open("a") as journal:
        journal.write('{"op_code": 5, "wor')  # torn by a kill
    found = continue_search(home, file)
    assert [row.state for row in found.trials] == ["done"] * 4
    assert len({row.run for row in found.trials}) == 4
    assert len(list_runs(home)) == 4
    assert sum(starts(run) for run in list_runs(home)) == 4 + was_running
    assert json.loads(results.read_text())["best"] == found.best


def test_half_a_run_of_a_killed_search_is_made_again(
    home: Path, tmp_path: Path, write_search: Write, supervised: None
):
    file = write_search(trials=1)
    create(home, file)
    half = tmp_path / "s" / "trials" / "000"
    half.mkdir(parents=True)
    (half / "config.yaml").write_text("kind:")
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "old-name").symlink_to(half)
    found = continue_search(home, file)
    assert [row.state for row in found.trials] == ["done"]
    assert [run.id for run in list_runs(home)] == [found.trials[0].run]


@pytest.mark.usefixtures("supervised")
def test_an_hour_limit_stops_the_search(home: Path, write_search: Write):
    found = search(home, write_search(trials=50, pruner="none", max_hours=1e-3))
    assert len(found.trials) < 50
    assert "max_hours" in found.ended
