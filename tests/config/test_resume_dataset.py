"""What a dataset run may change and still be resumed."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.resume_dataset import incompatible_changes, settings_in_shards


def between(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    former, new = (
        settings_in_shards(DatasetConfig.model_validate(values)) for values in (before, after)
    )
    return incompatible_changes(former, new)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"num_proc": 8, "engine": "ray", "name": "other"}),
        ({}, {"output": {"push_to_hub": True, "hub_repo_id": "a/b", "hub_private": False}}),
        ({}, {"output": {"dir": "elsewhere"}}),
        ({}, {"source": {"streaming": False}}),
        ({"on_overflow": "error"}, {"on_overflow": "paginate"}),
        ({"flaws": {"duplicates": "stop"}}, {"flaws": {"duplicates": "drop"}}),
        ({}, {"flaws": {"missing_glyphs": "keep", "clipped_glyphs": "drop"}}),
    ],
)
def test_changes_that_do_not_affect_existing_shards(before: dict[str, Any], after: dict[str, Any]):
    assert between(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({}, {"on_overflow": "error"}, "on_overflow: paginate -> error"),
        ({}, {"flaws": {"duplicates": "drop"}}, "flaws.duplicates: keep -> drop"),
        ({}, {"flaws": {"split_tokens": "stop"}}, "flaws.split_tokens: keep -> stop"),
        ({}, {"output": {"eval_fraction": 0.1}}, "output.eval_fraction: 0.0 -> 0.1"),
        ({}, {"instructions": {"Read. It.": 1}}, "instructions: none -> Read. It.=1.0"),
        ({}, {"seed": 1}, "seed: 0 -> 1"),
        ({}, {"source": {"max_samples": 5}}, "source.max_samples: none -> 5"),
        ({"instruction": "Read."}, {}, "instruction: Read. -> none"),
    ],
)
def test_changes_that_would_make_different_shards(
    before: dict[str, Any], after: dict[str, Any], line: str
):
    assert between(before, after) == [line]


def test_settings_of_another_version_are_reported():
    now = settings_in_shards(DatasetConfig())
    former = {**now, "page.shade": "gray"}
    del former["page.theme"]
    assert sorted(incompatible_changes(former, now)) == [
        "page.shade: gray -> unknown",
        "page.theme: unknown -> light",
    ]
