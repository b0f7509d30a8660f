"""Early stopping that keeps its count when the run is resumed."""

from __future__ import annotations

from typing import Any

from transformers import (
    EarlyStoppingCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

FORMER_NAME = "Patience"
"""The class name, and so the key in trainer_state.json, of runs that began before a renaming."""


class ResumableEarlyStopping(EarlyStoppingCallback):
    """Ends training after a number of evaluations without an improvement.

    transformers 5.24 saves the count in each checkpoint, but resets it to 0 on resume unless
    `restore_callback_states_from_checkpoint` is on, which replaces the trainer control as well.
    """

    def __init__(self, early_stopping_patience: int, *, restarts: bool = False) -> None:
        """Create the callback. With `restarts`, for an extended run, the count begins at 0 again:
        a run that ended for lack of patience would train no step more."""
        super().__init__(early_stopping_patience)
        self.restarts = restarts

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Restore the count. A run that already ran out of patience trains no further."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.restarts:
            return
        saved: Any = state.stateful_callbacks  # a dict by class name, whatever its declared type
        name = type(self).__name__
        if FORMER_NAME in saved:
            saved[name] = saved.pop(FORMER_NAME)
        self.early_stopping_patience_counter = saved[name]["attributes"][
            "early_stopping_patience_counter"
        ]
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True
