"""Restore which checkpoint is the best one when a run is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class RestoreBestCallback(TrainerCallback):
    """Sets the path of the best checkpoint, which differs from the recorded one if the run was
    moved. If it is lost, so is its metric: the next evaluation becomes the best."""

    def __init__(self, best: Path | None) -> None:
        self.best = best

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        state.best_model_checkpoint = str(self.best) if self.best else None
        if self.best is None:
            state.best_metric = state.best_global_step = None
