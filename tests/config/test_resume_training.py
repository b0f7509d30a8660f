"""Which changes leave a checkpoint usable."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.resume_training import changed_effects, differences, incompatible_change
from deepsynth_tui.config.training import TrainingConfig

BATCH, ACCUMULATION = "per_device_train_batch_size", "gradient_accumulation_steps"


def config(**sections: dict[str, Any]) -> TrainingConfig:
    training = {BATCH: 4, ACCUMULATION: 2, **sections.pop("training", {})}
    model = {"name_or_path": "builtin:tiny-vlm", **sections.pop("model", {})}
    data = {"path": "pages", **sections.pop("data", {})}
    values = {"kind": "training", "model": model, "data": data, "training": training, **sections}
    checked = check_values(values)
    assert isinstance(checked.config, TrainingConfig), checked.problems
    return checked.config


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {BATCH: 1, ACCUMULATION: 8}},
        {"training": {"gradient_checkpointing": False}},
        {"model": {"max_pixels": 500_000}},
        {"quantization": {"enabled": True, "bits": 4}},
        {"data": {"max_length": 4096}},
        {"output": {"dir": "elsewhere"}},
    ],
    ids=str,
)
def test_compatible_changes(changes: dict[str, Any]):
    assert incompatible_change(config(), config(**changes)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"training": {BATCH: 2}}, "a step would take 4 rows instead of 8"),
        ({"training": {"optim": "adamw_8bit"}}, "training.optim"),
        ({"training": {"learning_rate": 1e-5}}, "training.learning_rate"),
        ({"lora": {"r": 4}}, "lora.r"),
        ({"training": {"num_processes": 2}}, "training.num_processes"),
        ({"data": {"path": "others"}}, "data.path"),
    ],
    ids=str,
)
def test_incompatible_changes(changes: dict[str, Any], reason: str):
    assert reason in (incompatible_change(config(), config(**changes)) or "")


def test_max_length_selects_rows_if_too_long_ones_are_dropped():
    before = config(data={"on_too_long": "drop"})
    after = config(data={"on_too_long": "drop", "max_length": 512})
    assert "other rows" in (incompatible_change(before, after) or "")


def test_changes_that_affect_the_result_are_reported_with_their_former_value():
    changed = differences(
        config(), config(quantization={"enabled": True}, training={BATCH: 1, ACCUMULATION: 8})
    )
    assert changed[f"training.{BATCH}"] == (4, 1)
    assert changed_effects(changed) == "quantization.enabled: false"
