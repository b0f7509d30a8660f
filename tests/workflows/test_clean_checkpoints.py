"""Cleaning keeps what a resume needs, also where the newest checkpoint is damaged."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.liveness import own_status, write_status
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.training.result.checkpoints import newest_complete
from deepsynth_tui.workflows.clean_checkpoints import CannotClean, KeepRule, clean, plan_cleaning
from tests.training.result.checkpoint_files import write_whole_checkpoint

SETTINGS = {
    "kind": "training",
    "model": {"name_or_path": "builtin:tiny-vlm"},
    "data": {"path": "pages"},
}
NOON = 1763812800.0


@pytest.fixture
def run(home: Path) -> RunDirectory:
    """A run with checkpoints of steps 10 to 50, of which 20 is the best."""
    run = create_run(home, kind="training", name="t", config_text=json.dumps(SETTINGS), now=NOON)
    for step in range(10, 60, 10):
        write_whole_checkpoint(run.checkpoints, step, best=20)
    return run


def steps(paths) -> list[int]:
    return sorted(int(path.name.rpartition("-")[2]) for path in paths)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (KeepRule(), [20, 50]),
        (KeepRule(newest=2), [20, 40, 50]),
        (KeepRule(every=30), [20, 30, 50]),
        (KeepRule(newest=9), [10, 20, 30, 40, 50]),
    ],
)
def test_the_best_and_the_last_stay_under_any_rule(
    run: RunDirectory, rule: KeepRule, kept: list[int]
):
    plan = plan_cleaning(run, rule)
    assert steps(plan.kept) == kept
    doomed = [file for path in plan.deleted for file in path.rglob("*") if file.is_file()]
    assert plan.bytes == sum(file.stat().st_size for file in doomed)
    assert steps(run.checkpoints.iterdir()) == [10, 20, 30, 40, 50]
    clean(plan)
    assert steps(run.checkpoints.iterdir()) == kept
    assert newest_complete(run.checkpoints).step == 50
    assert plan_cleaning(run, rule).bytes == 0


def test_a_damaged_last_checkpoint_does_not_cost_the_one_before(run: RunDirectory):
    weights = run.checkpoints / "checkpoint-50" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (run.checkpoints / "checkpoint-40" / "trainer_state.json").unlink()
    plan = plan_cleaning(run, KeepRule())
    assert steps(plan.kept) == [20, 30]
    assert plan.kept[run.checkpoints / "checkpoint-30"] == "the last one, which a resume needs"


def test_without_a_whole_checkpoint_nothing_is_deleted(run: RunDirectory):
    for state in run.checkpoints.glob("*/trainer_state.json"):
        state.unlink()
    plan = plan_cleaning(run, KeepRule())
    assert (steps(plan.kept), dict(plan.deleted)) == ([10, 20, 30, 40, 50], {})


def test_links_and_other_folders_stay(run: RunDirectory, tmp_path: Path):
    outside = write_whole_checkpoint(tmp_path / "outside", 5)
    (run.checkpoints / "checkpoint-5").symlink_to(outside)
    (run.checkpoints / "notes").mkdir()
    clean(plan_cleaning(run, KeepRule()))
    assert (outside / "trainer_state.json").is_file()
    assert (run.checkpoints / "checkpoint-5").is_symlink()
    assert (run.checkpoints / "notes").is_dir()


def test_a_live_run_and_a_damaged_configuration_are_refused(run: RunDirectory):
    with claim(run):
        write_status(run, replace(own_status(time.time()), heartbeat=time.time()))
        with pytest.raises(RunBusy):
            plan_cleaning(run, KeepRule())
    run.status.unlink()
    run.config.write_text("kind: [")
    with pytest.raises(CannotClean, match="unknown"):
        plan_cleaning(run, KeepRule())


def test_runs_without_checkpoints(home: Path):
    text = json.dumps(SETTINGS)
    empty = create_run(home, kind="training", name="t", config_text=text, now=NOON)
    assert plan_cleaning(empty, KeepRule()).bytes == 0
    pages = create_run(home, kind="dataset", name="p", config_text="", now=NOON)
    with pytest.raises(CannotClean, match="no training run"):
        plan_cleaning(pages, KeepRule())
