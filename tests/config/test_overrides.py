"""`--set section.key=value`."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.overrides import apply_overrides
from deepsynth_tui.config.problems import ConfigError


def test_an_override_replaces_the_value():
    overridden = apply_overrides({"lora": {"r": 4}}, ["lora.r=64", "training.learning_rate=2e-5"])
    assert overridden.values == {"lora": {"r": 64}, "training": {"learning_rate": 2e-5}}
    assert overridden.keys == {"lora.r", "training.learning_rate"}
    assert overridden.problems == ()


def test_the_last_override_wins_and_spaces_are_ignored():
    assert apply_overrides({}, ["a.b=1", " a.b = [2, x] "]).values == {"a": {"b": [2, "x"]}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lora.r=big", "--set: lora.r: must be a whole number >= 1, got big"),
        ("lora.r", "--set: lora.r: must be section.key=value"),
    ],
)
def test_problems_name_the_option(override: str, message: str):
    with pytest.raises(ConfigError) as raised:
        load_text("kind: training\ndata: {path: pages}\n", [override], file="my.yaml")
    assert [str(problem) for problem in raised.value.problems] == [message]


def test_a_value_that_is_not_yaml_is_a_problem():
    (problem,) = apply_overrides({}, ["lora.target_modules=[a"]).problems
    assert problem.key == "lora.target_modules"
    assert problem.message.startswith("invalid YAML value: ")
