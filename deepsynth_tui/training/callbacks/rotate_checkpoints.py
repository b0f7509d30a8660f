"""Delete old checkpoints once every rank has written its part of the new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.result.checkpoints import checkpoint_path, rotate_checkpoints

if TYPE_CHECKING:
    from deepsynth_tui.training.ranks.rank_group import RankGroup


class RotateCheckpointsCallback(TrainerCallback):
    """Keeps `save_total_limit` checkpoints and the best one.

    transformers' own rotation does not wait for the other ranks: a run that is killed while one
    of them still writes its random state could be left without a complete checkpoint.
    """

    def __init__(self, ranks: RankGroup, save_total_limit: int) -> None:
        self.ranks = ranks
        self.save_total_limit = save_total_limit

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.ranks.barrier()
        if self.ranks.is_main:
            best = state.best_model_checkpoint
            rotate_checkpoints(
                checkpoint_path(str(args.output_dir), state.global_step),
                keep=self.save_total_limit,
                best=Path(best) if best else None,
            )
