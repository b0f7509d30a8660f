"""What a training run may change and still continue from a checkpoint.

The trainer finds its place in the data by counting steps, so a step must take as many rows as
before: then batches of another size take the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsynth_tui.config.data import FORMER_DEFAULTS
from deepsynth_tui.config.fields import as_text, fields_by_key
from deepsynth_tui.config.leaves import leaves
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError

Differences = Mapping[str, tuple[Any, Any]]
"""Former and new value by dotted key."""
ROWS_PER_STEP = ("training.per_device_train_batch_size", "training.gradient_accumulation_steps")
"""Settings whose product must stay the same."""


def differences(before: TrainingConfig, after: TrainingConfig) -> Differences:
    """Return every setting that differs, a former default and a guess being equal."""
    former = dict(leaves(before.model_dump()))
    new = dict(leaves(after.model_dump()))
    guessed = {f"data.{name}": value for name, value in FORMER_DEFAULTS.items()}
    return {
        key: (former[key], new[key])
        for key in former
        if former[key] != new[key] and (former[key], new[key]) != (guessed.get(key), None)
    }


def incompatible_change(before: TrainingConfig, after: TrainingConfig) -> str | None:
    """Return why `after` cannot continue from a checkpoint of `before`; None if it can."""
    fields = fields_by_key(TrainingConfig)
    changed = differences(before, after)
    for key in changed:
        if fields[key].on_resume == "fixed":
            return f"{key} has changed, and the checkpoint depends on its former value"
    former_rows, new_rows = _rows_per_step(before), _rows_per_step(after)
    if former_rows != new_rows:
        return (
            f"a step would take {new_rows} rows instead of {former_rows}, and checkpoints count "
            "steps"
        )
    if _selects_other_rows(before, changed):
        return "other rows would be too long, and checkpoints count steps over the former rows"
    return None


def incompatible_keys(before: TrainingConfig, after: TrainingConfig) -> list[str]:
    """Return the changed settings that a checkpoint of `before` depends on."""
    fields = fields_by_key(TrainingConfig)
    changed = differences(before, after)
    keys = [key for key in changed if fields[key].on_resume == "fixed"]
    if _rows_per_step(before) != _rows_per_step(after):
        keys += [key for key in ROWS_PER_STEP if key in changed]
    if _selects_other_rows(before, changed):
        keys += [key for key in changed if fields[key].selects_rows]
    return keys


def change_lines(before: TrainingConfig, after: TrainingConfig) -> list[str]:
    """Return each changed setting as `key: former -> new`, and whether it may change."""
    forbidden = incompatible_keys(before, after)
    return [
        f"{key}: {_text(former)} -> {_text(new)} "
        f"({'a checkpoint depends on it' if key in forbidden else 'may change'})"
        for key, (former, new) in differences(before, after).items()
    ]


def edited_config_error(
    before: TrainingConfig, after: TrainingConfig, checkpoint: str
) -> UserError | None:
    """Return an error if `after` cannot continue from a checkpoint that `before` wrote."""
    forbidden = incompatible_keys(before, after)
    if not forbidden:
        return None
    lines = "\n".join(change_lines(before, after))
    return UserError(
        f"config.yaml of the run was edited after {checkpoint} was saved, which does not fit it "
        f"any more:\n{lines}",
        f"Change {', '.join(forbidden)} back to resume, or start a new run with these settings",
        forbidden[0],
    )


def changed_effects(changed: Differences) -> str:
    """Return the former values of the changes that affect the result: `key: value, ...`."""
    fields = fields_by_key(TrainingConfig)
    return ", ".join(
        f"{key}: {as_text(former) or 'none'}"
        for key, (former, _) in changed.items()
        if fields[key].on_resume == "reported"
    )


def _selects_other_rows(before: TrainingConfig, changed: Differences) -> bool:
    fields = fields_by_key(TrainingConfig)
    return before.data.on_too_long != "error" and any(fields[key].selects_rows for key in changed)


def _text(value: Any) -> str:
    return as_text(value) or "none"


def _rows_per_step(config: TrainingConfig) -> int:
    training = config.training
    return training.per_device_train_batch_size * training.gradient_accumulation_steps
