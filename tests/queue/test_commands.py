"""The commands of the queue, on held runs: no supervisor is started for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deepsynth_tui.cli import app
from deepsynth_tui.runs import queue
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.queue import QueueError
from deepsynth_tui.runs.summary import list_summaries, summarize

invoke = CliRunner().invoke


@pytest.fixture
def runs(home: Path) -> list[RunDirectory]:
    """Three held runs."""
    names = ("first", "second", "third")
    runs = [create_run(home, kind="training", name=name, config_text="") for name in names]
    for run in runs:
        queue.enqueue(home, run, device="cpu")
        queue.hold(home, run)
    return runs


def order(home: Path) -> list[str]:
    return [waiting.run.id.rpartition("-")[2] for waiting in queue.waiting_runs(home)]


def test_list_and_summaries_say_the_same(home: Path, runs: list[RunDirectory]):
    listed = json.loads(invoke(app, ["queue", "--json"]).stdout)
    assert [(row["position"], row["state"]) for row in listed["queue"]] == [
        (1, "held"),
        (2, "held"),
        (3, "held"),
    ]
    assert listed["supervisor"] is None
    positions = {summary.id: summary.position for summary in list_summaries(home)}
    assert positions == {row["id"]: row["position"] for row in listed["queue"]}
    assert summarize(runs[0]).message == "held: by hand"


def test_move(home: Path, runs: list[RunDirectory]):
    assert invoke(app, ["queue", "move", "third", "1"]).exit_code == 0
    assert order(home) == ["third", "first", "second"]
    assert invoke(app, ["queue", "move", "third", "-1"]).exit_code == 0
    assert order(home) == ["first", "second", "third"]
    for _ in range(60):  # more often than there are numbers between two neighbours
        queue.move(home, runs[2], 2)
        queue.move(home, runs[1], 2)
    assert order(home) == ["first", "second", "third"]
    for position in (0, 4, -4):
        with pytest.raises(QueueError, match=f"no position {position}"):
            queue.move(home, runs[0], position)


def test_cancelled_run_is_stopped_and_leaves(home: Path, runs: list[RunDirectory]):
    assert invoke(app, ["queue", "cancel", "second", "--json"]).exit_code == 0
    assert order(home) == ["first", "third"]
    assert summarize(runs[1]).state == "stopped"
    again = invoke(app, ["queue", "hold", "second"])
    assert again.exit_code == 2
    assert "does not wait in the queue" in again.stderr
    queue.enqueue(home, runs[1], device="cpu", resume=True)
    assert order(home) == ["first", "third", "second"]
    with pytest.raises(QueueError, match="already"):
        queue.enqueue(home, runs[1], device="cpu")


def test_damaged_entry_is_listed_with_the_reason(home: Path, runs: list[RunDirectory]):
    runs[0].queued.write_text("{}")
    assert summarize(runs[0]).state == "unreadable"
    rows = json.loads(invoke(app, ["queue", "list", "--json"]).stdout)["queue"]
    assert [row["state"] for row in rows] == ["held", "held", "unreadable"]
    assert "queued.json" in rows[2]["reason"]


def test_every_problem_of_every_file_is_listed(tmp_path: Path, home: Path):
    for name, batch in (("a", 0), ("b", -1)):
        text = f"kind: training\ntraining: {{per_device_train_batch_size: {batch}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    files = [str(tmp_path / f"{name}.yaml") for name in "abc"]
    result = invoke(app, ["queue", "add", *files])
    assert result.exit_code == 2
    assert all(file in result.stderr for file in files)
    assert not list_summaries(home)
