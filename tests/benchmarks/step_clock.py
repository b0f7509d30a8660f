"""A callback that records what each step of a Trainer costs, whoever made the Trainer."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import DEFAULT_CALLBACKS

from deepsynth_tui.training.callbacks.memory_time import resident_memory


class StepClock(TrainerCallback):
    """Records the CPU seconds of this process from the end of a step to the end of the next."""

    seconds: list[float] = []
    losses: list[float] = []
    _last = 0.0

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Record the step."""
        now = time.process_time()
        StepClock.seconds.append(now - StepClock._last)
        StepClock._last = now

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Record the loss."""
        if logs and "loss" in logs:
            StepClock.losses.append(float(logs["loss"]))


def install() -> None:
    """Add the clock to every Trainer that this process creates."""
    callbacks: list[Any] = DEFAULT_CALLBACKS
    callbacks.append(StepClock)


def print_figures() -> None:
    """Print the figures as the last line of stdout, as JSON."""
    figures = {
        "steps": StepClock.seconds,
        "losses": StepClock.losses,
        "total": time.process_time(),
        "peak": resident_memory()[1],
    }
    sys.stdout.write(json.dumps(figures) + "\n")
