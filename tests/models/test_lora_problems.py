"""Names, patterns and layer indices that match nothing are found without the weights."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.model import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_problems import lora_problems
from tests.estimate import models


@pytest.mark.parametrize(
    ("lora", "key", "message", "hint"),
    [
        ({"target_modules": ["q_prok", "v_proj"]}, "target_modules", "q_prok", "q_proj"),
        ({"target_modules": r".*\.query"}, "target_modules", "query", "q_proj"),
        (
            {"target_modules": ["linear_fc1"]},
            "target_modules",
            "frozen: projector, vision",
            "freeze",
        ),
        ({"target_parameters": ["experts.up"]}, "target_parameters", "experts.up", "has none"),
        ({"exclude_modules": ["o_prj"]}, "exclude_modules", "o_prj", "o_proj"),
        ({"exclude_modules": ["language"]}, "exclude_modules", "leaves no module", "leave some"),
        ({"layers_to_transform": [0, 99]}, "layers_to_transform", "layer 99", "0 to 2"),
        ({"layers_to_transform": [-1]}, "layers_to_transform", "layer -1", "0 to 2"),
        ({"rank_pattern": {"q_prj": 4}}, "rank_pattern", "q_prj", "q_proj"),
        ({"alpha_pattern": {"q_prj": 4, "v_proj": 4}}, "alpha_pattern", "q_prj", "q_proj"),
        ({"modules_to_save": ["lm_hed"]}, "modules_to_save", "lm_hed", "lm_head"),
        (
            {"target_modules": ["q_proj"], "rank_pattern": {"v_proj": 4}},
            "rank_pattern",
            "gets an adapter matches v_proj",
            "q_proj",
        ),
    ],
)
def test_the_setting_that_matches_nothing_is_named(
    lora: dict[str, object], key: str, message: str, hint: str
) -> None:
    (problem,) = _problems(lora)
    assert problem.key == f"lora.{key}"
    assert message in problem.message
    assert hint in problem.hint


def test_all_of_them_at_once() -> None:
    lora: dict[str, object] = {
        "exclude_modules": ["a"],
        "modules_to_save": ["b"],
        "target_parameters": ["c"],
    }
    assert {problem.key for problem in _problems(lora)} == {f"lora.{name}" for name in lora}
    lora = {"layers_to_transform": [9], "rank_pattern": {"a": 1}}
    assert {problem.key for problem in _problems(lora)} == {f"lora.{name}" for name in lora}


@pytest.mark.parametrize(
    "lora",
    [
        {},
        {"target_modules": ["q_proj", "language"], "exclude_modules": ["k_proj", "vision"]},
        {"layers_to_transform": [0, 2], "rank_pattern": {r"layers\.2\..*": 4}},
        {"target_modules": r".*\.(q|v)_proj", "modules_to_save": ["lm_head", "norm"]},
        {"enabled": False, "target_modules": ["nothing"]},
    ],
)
def test_settings_that_match(lora: dict[str, object]) -> None:
    assert _problems(lora) == []


def _problems(lora: dict[str, object]) -> list:
    names = models.layout("qwen3_vl").names
    return lora_problems(names, LoraSettings.model_validate(lora), ModelSettings())
