"""Settings in place of those that compute in bfloat16, and weights that are too coarse to train."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.load import check_values, load_text
from deepsynth_tui.config.precision import float16_changes, use_float16
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.config.yaml_text import with_value

FOUR_KEYS = {
    "model.dtype": "float16",
    "training.bf16": False,
    "training.fp16": True,
    "quantization.compute_dtype": "float16",
}
FLOAT32 = {"model": {"dtype": "float32"}, "training": {"bf16": False}}


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, FOUR_KEYS),
        ({"quantization": {"enabled": True}}, FOUR_KEYS),
        (FLOAT32, {}),
        ({"model": {"dtype": "float32"}}, {**FOUR_KEYS, "model.dtype": None}),
        ({"lora": {"modules_to_save": ["lm_head"]}}, {**FOUR_KEYS, "model.dtype": "float32"}),
        ({"lora": {"bias": "all"}}, {**FOUR_KEYS, "model.dtype": "float32"}),
        (
            {"quantization": {"enabled": True, "quant_storage": "bfloat16"}},
            {**FOUR_KEYS, "quantization.quant_storage": "float16"},
        ),
        ({**FLOAT32, "quantization": {"enabled": True}}, {**FOUR_KEYS, "model.dtype": None}),
    ],
)
def test_float16_in_place_of_bfloat16(settings: dict[str, Any], changes: dict[str, Any]):
    config = TrainingConfig.model_validate(settings)
    expected = {key: value for key, value in changes.items() if value is not None}
    if not config.training.bf16:
        expected.pop("training.bf16", None)
    assert float16_changes(config) == expected
    values: dict[str, Any] = {"kind": "training", "data": {"path": "x"}, **settings}
    for key, value in expected.items():
        values = with_value(values, key, value)
    changed = check_values(values)
    assert changed.problems == ()
    assert isinstance(changed.config, TrainingConfig)
    assert float16_changes(changed.config) == {}


def test_the_changes_in_words():
    assert use_float16({"model.dtype": "float16", "training.bf16": False}) == (
        "Use float16: model.dtype: float16, training.bf16: false"
    )


def test_what_started_before_the_rule_goes_on():
    text = "kind: training\nlora: {enabled: false}\ndata: {path: x}\n"
    assert load_text(text, of_run=True).config.model.dtype == "bfloat16"  # pyright: ignore[reportAttributeAccessIssue]
    assert load_text(text, estimate_only=True)
