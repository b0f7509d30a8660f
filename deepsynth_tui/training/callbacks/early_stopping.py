"""Early stopping that a resumed run goes on with where it was."""

from __future__ import annotations

from typing import Any

from transformers import (
    EarlyStoppingCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)


class ResumableEarlyStopping(EarlyStoppingCallback):
    """Ends the loop after so many evaluations without a better loss.

    transformers writes the count into each checkpoint, but begins anew with 0 when it resumes.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Take over the count. A run that had run out of patience already trains no further."""
        super().on_train_begin(args, state, control, **given)
        saved: Any = state.stateful_callbacks  # by name of the class, whatever it is declared as
        mine = saved[type(self).__name__]["attributes"]
        self.early_stopping_patience_counter = mine["early_stopping_patience_counter"]
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True
