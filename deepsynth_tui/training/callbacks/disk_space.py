"""Pause training while the disk is too full for what it writes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from deepsynth_tui.training.result.disk_space import DiskSpace, checkpoint_bytes

if TYPE_CHECKING:
    from deepsynth_tui.training.ranks.rank_group import RankGroup


class DiskSpaceCallback(TrainerCallback):
    """Waits for disk space after each step, in the first rank; the others wait for it.

    Must be the last callback: the others decide whether this step is saved.
    """

    def __init__(self, disk_space: DiskSpace, ranks: RankGroup) -> None:
        self.disk_space = disk_space
        self.ranks = ranks
        self.stopped = False

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: torch.nn.Module,
        optimizer: Any,
        **_: Any,
    ) -> None:
        """Wait; if asked to stop meanwhile, end training without saving this step."""
        gave_up = False
        if self.ranks.is_main:
            size = checkpoint_bytes(model, optimizer) if control.should_save else 0
            what = f"The checkpoint of step {state.global_step}" if size else "The run"
            gave_up = not self.disk_space.wait_for(size, what, phase="training")
        if self.ranks.all_reduce_sum(int(gave_up)):
            self.stopped = state.global_step < state.max_steps
            control.should_training_stop = True
            control.should_save = control.should_evaluate = False
