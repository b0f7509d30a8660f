"""Put the state of a paged optimizer back into paged memory when a run resumes."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

PAGED = "is_paged"
"""bitsandbytes' mark of a tensor in CUDA managed memory."""


class PagedStateCallback(TrainerCallback):
    """Moves optimizer state that a checkpoint marks as paged into paged memory.

    bitsandbytes 0.50 marks such tensors by an attribute, which `torch.save` keeps. `torch.load`
    returns plain tensors with the mark; the first step would prefetch them as managed memory, to
    the GPU of the rank that saved them, and end the process.
    """

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        optimizer: Any,
        **_: Any,
    ) -> None:
        restore_paged_state(getattr(optimizer, "optimizer", optimizer))  # accelerate wraps it


def restore_paged_state(optimizer: Any) -> None:
    """Copy each state that is marked as paged into a buffer that the optimizer makes for it."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and getattr(value, PAGED, False):
                buffer = optimizer.get_state_buffer(parameter, dtype=value.dtype)
                values[name] = buffer.copy_(value)
