"""Set the learning rate of an extended run when it starts."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class ExtendedScheduleCallback(TrainerCallback):
    """Takes the learning rate of the first step from the schedule of the longer run.

    transformers 5.24 restores the rate of the checkpoint with the optimizer, and computes the next
    one only after a step: a schedule that had ended would make that step at a rate of 0.
    """

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: Any,
        lr_scheduler: Any,
        **_: Any,
    ) -> None:
        schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)  # accelerate wraps it
        factors = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
        rates = [base * factor(schedule.last_epoch) for base, factor in factors]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        schedule._last_lr = rates
