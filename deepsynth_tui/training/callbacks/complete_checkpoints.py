"""Complete each checkpoint once every rank has written its part of it, then delete old ones."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.result.checkpoint_checksums import write_checksums
from deepsynth_tui.training.result.checkpoints import (
    best_checkpoint,
    checkpoint_path,
    rotate_checkpoints,
)
from deepsynth_tui.units import format_bytes

if TYPE_CHECKING:
    from deepsynth_tui.training.ranks.rank_group import RankGroup

log = logging.getLogger(__name__)


class CompleteCheckpointsCallback(TrainerCallback):
    """Flushes a checkpoint to disk with its checksums, and keeps `save_total_limit` of them and
    the best one.

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
        if not self.ranks.is_main:
            return
        folder = Path(str(args.output_dir))
        newest = checkpoint_path(folder, state.global_step)
        start = time.perf_counter()
        size = write_checksums(newest)
        seconds = time.perf_counter() - start
        log.info("%s: %s flushed to disk in %.2f s", newest.name, format_bytes(size), seconds)
        rotate_checkpoints(
            newest,
            keep=self.save_total_limit,
            best=best_checkpoint(folder, state.best_model_checkpoint),
        )
