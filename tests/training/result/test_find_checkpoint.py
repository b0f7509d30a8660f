"""What a resumed job says of its checkpoints, and what it does without its best one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.heartbeat import Heartbeat
from deepsynth_tui.runs.job import Job
from deepsynth_tui.training.callbacks.restore_best import RestoreBestCallback
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.result.checkpoint_damage import refuse_damaged
from deepsynth_tui.training.result.checkpoints import ResumePoint
from deepsynth_tui.training.result.find_checkpoint import newest_whole
from tests.training.conftest import Ran
from tests.training.result.checkpoint_files import write_checkpoint, write_whole_checkpoint


@pytest.fixture
def job(home: Path) -> Iterator[Job]:
    run = create_run(home, kind="training", name="x", config_text="")
    with EventLog(run.events) as events:
        yield Job(run, events, Heartbeat(run))


def newest(job: Job, *, keeps_best: bool = False) -> tuple[ResumePoint, list[Any]]:
    checkpoint = newest_whole(job, job.run, 1, keeps_best=keeps_best)
    return checkpoint, [event.data["message"] for event in Ran(job.run, 0).of("warning")]


def damage(run: RunDirectory, step: int) -> None:
    path = run.checkpoints / f"checkpoint-{step}" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-4096] + bytes(4096))


def test_nothing_is_said_of_a_whole_checkpoint(job: Job) -> None:
    write_whole_checkpoint(job.run.checkpoints, 3)
    checkpoint, warnings = newest(job)
    assert (checkpoint.step, warnings) == (3, [])


def test_damage_is_named_and_the_older_one_used(job: Job) -> None:
    for step in (3, 6, 9):
        write_whole_checkpoint(job.run.checkpoints, step)
    damage(job.run, 9)
    damage(job.run, 6)
    checkpoint, warnings = newest(job)
    assert checkpoint.step == 3
    assert warnings == [
        f"checkpoint-{step} is skipped: adapter_model.safetensors does not match its checksum"
        for step in (9, 6)
    ]


def test_an_earlier_version_wrote_no_checksums(job: Job) -> None:
    write_checkpoint(job.run.checkpoints, 3)
    checkpoint, (warning,) = newest(job)
    assert checkpoint.step == 3
    assert warning.startswith("checkpoint-3 has no checksums")


def test_the_best_checkpoint_of_a_run_that_was_moved(job: Job) -> None:
    best = write_whole_checkpoint(job.run.checkpoints, 3)
    write_whole_checkpoint(job.run.checkpoints, 6, best=3)
    checkpoint, warnings = newest(job, keeps_best=True)
    assert (checkpoint.best, checkpoint.lost_best, warnings) == (best, False, [])
    state = TrainerState(best_metric=0.5, best_global_step=3)
    RestoreBestCallback(checkpoint.best).on_train_begin(
        TrainingArguments(), state, TrainerControl()
    )
    assert (state.best_model_checkpoint, state.best_metric) == (str(best), 0.5)


@pytest.mark.parametrize("deleted", [False, True])
def test_the_best_checkpoint_is_lost(job: Job, deleted: bool) -> None:
    best = write_whole_checkpoint(job.run.checkpoints, 3)
    write_whole_checkpoint(job.run.checkpoints, 6, best=3)
    if deleted:
        shutil.rmtree(best)
    else:
        damage(job.run, 3)
        with pytest.raises(TrainingError, match="checkpoint-3, the best checkpoint, is damaged"):
            refuse_damaged(best)
    checkpoint, (warning,) = newest(job, keeps_best=True)
    assert checkpoint.path == job.run.checkpoints / "checkpoint-6"
    assert (checkpoint.best, checkpoint.lost_best) == (None, True)
    assert warning.startswith("checkpoint-3, the best so far, cannot be used: ")
    state = TrainerState(best_metric=0.5, best_global_step=3, best_model_checkpoint="x")
    RestoreBestCallback(None).on_train_begin(TrainingArguments(), state, TrainerControl())
    assert (state.best_model_checkpoint, state.best_metric, state.best_global_step) == (None,) * 3
