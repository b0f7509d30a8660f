"""Rules between the fields of a dataset run: each is reported at its key."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.problems import ConfigError, Problem


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        load_text(f"kind: dataset\n{text}\n")
    return raised.value.problems


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("source: {path: ''}", "source.path"),
        ("source: {path: a}\npage: {width: 100}", "page.width"),
        ("source: {path: a}\noutput: {push_to_hub: true}", "output.hub_repo_id"),
    ],
)
def test_each_rule_reports_its_key(text: str, key: str):
    assert [problem.key for problem in problems_of(text)] == [key]
