"""Each saved checkpoint gets its checksums before older ones are deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.callbacks.complete_checkpoints import CompleteCheckpointsCallback
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.result.checkpoint_checksums import why_changed
from deepsynth_tui.training.result.checkpoints import checkpoint_steps
from tests.training.result.checkpoint_files import write_checkpoint, write_whole_checkpoint


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [(2, None, {2, 3}), (1, None, {3}), (2, 1, {1, 3}), (1, 1, {1, 3}), (3, None, {1, 2, 3})],
)
def test_the_newest_is_completed_and_old_ones_are_deleted(
    tmp_path: Path, limit: int, best: int | None, left: set[int]
) -> None:
    for step in (1, 2):
        write_whole_checkpoint(tmp_path, step)
    newest = write_checkpoint(tmp_path, 3)
    state = TrainerState(global_step=3)
    state.best_model_checkpoint = f"/moved/checkpoint-{best}" if best else None
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    callback = CompleteCheckpointsCallback(RankGroup(), limit)
    callback.on_save(arguments, state, TrainerControl())
    assert why_changed(newest) is None
    assert set(checkpoint_steps(tmp_path).values()) == left


def test_only_the_first_rank_completes(tmp_path: Path) -> None:
    newest = write_checkpoint(tmp_path, 1)
    ranks = RankGroup()
    ranks.is_main = False
    state = TrainerState(global_step=1)
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    CompleteCheckpointsCallback(ranks, 1).on_save(arguments, state, TrainerControl())
    assert not (newest / "SHA256SUMS").exists()
