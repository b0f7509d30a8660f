"""What a training run may change and still go on from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.fields import as_text
from deepsynth_tui.config.training import TrainingConfig

Differences = Mapping[str, tuple[Any, Any]]
"""Former and new value by dotted key."""

_BATCHES = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
_SEES_ROWS_OTHERWISE = ("model.min_pixels", "model.max_pixels")
_TRAINS_ALIKE = (
    *_BATCHES,
    *_SEES_ROWS_OTHERWISE,
    "name",
    "model.attn_implementation",
    "data.max_length",
    "training.gradient_checkpointing",
    "training.dataloader_num_workers",
    "training.save_total_limit",
    "training.report_to",
    "training.fsdp",
)
"""Settings that no checkpoint holds, so that the new value is what counts from then on. Any other
would be ignored, such as the learning rate that the optimizer's state carries, or not fit."""
_ALIKE_SECTIONS = ("quantization.", "output.")
_SELECT_ROWS = ("data.max_length", *_SEES_ROWS_OTHERWISE)
"""These decide which rows are too long, and so, where such rows are left out, which are there."""


def differences(before: TrainingConfig, after: TrainingConfig) -> Differences:
    """Every setting that is another in `after`."""
    former = dict(yaml_text.leaves(before.model_dump()))
    new = dict(yaml_text.leaves(after.model_dump()))
    return {key: (former[key], new[key]) for key in former if former[key] != new[key]}


def incompatible_change(before: TrainingConfig, after: TrainingConfig) -> str | None:
    """Say why a run like `after` cannot go on from a checkpoint of `before`; None where it can.

    The trainer finds its place in the data by counting steps, so a step must take as many rows as
    before: then batches of another size take the same rows in the same order.
    """
    changed = differences(before, after)
    for key in changed:
        if key not in _TRAINS_ALIKE and not key.startswith(_ALIKE_SECTIONS):
            return f"{key} is another, and a checkpoint fits the former alone"
    rows = [_rows_per_step(config) for config in (before, after)]
    if rows[0] != rows[1]:
        return f"a step takes {rows[1]} rows instead of {rows[0]}, and a checkpoint counts steps"
    if before.data.on_too_long != "error" and any(key in changed for key in _SELECT_ROWS):
        return "other rows are too long, and a checkpoint counts steps over the former rows"
    return None


def changed_effects(changed: Differences) -> str:
    """The former values of what changes the result, in words: `key: value, ...`; "" for none."""
    keys = [
        key for key in changed if key in _SEES_ROWS_OTHERWISE or key.startswith("quantization.")
    ]
    return ", ".join(f"{key}: {as_text(changed[key][0]) or 'none'}" for key in keys)


def _rows_per_step(config: TrainingConfig) -> int:
    training = config.training
    return training.per_device_train_batch_size * training.gradient_accumulation_steps
