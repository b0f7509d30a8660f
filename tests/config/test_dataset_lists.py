"""Several sources and instructions: in YAML and in problems."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.dataset import DatasetConfig, MixedSource
from deepsynth_tui.config.load import check_values, load_text
from deepsynth_tui.config.problems import ConfigError, Problem

SEVERAL = """kind: dataset
# Two of them.
sources:
  - path: a.csv
    text_column: body
  - {path: b.jsonl, weight: 2.5}
instructions:
  Read. All of it.: 1
  "In {language}, please = now:": 0.5
"""


def problems(text: str) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    return {problem.key: problem for problem in caught.value.problems}


def test_sources_and_instructions_are_read_from_yaml_and_completed():
    loaded = load_text(SEVERAL)
    config = loaded.config
    assert isinstance(config, DatasetConfig)
    assert [one.path for one in config.all_sources] == ["a.csv", "b.jsonl"]
    assert config.sources[1] == MixedSource(path="b.jsonl", weight=2.5)
    assert config.instructions == {"Read. All of it.": 1, "In {language}, please = now:": 0.5}
    assert "# Two of them." in loaded.text
    assert load_text(loaded.text).config == config


def test_problems_of_a_source_name_it_and_its_line():
    found = problems(
        "kind: dataset\nsources:\n  - {path: a.csv, weight: 0}\n  - path: b.csv\n"
        "    text_colum: body\n    max_samples: many\n  - 7\n"
    )
    assert set(found) == {
        "sources.1.weight",
        "sources.2.text_colum",
        "sources.2.max_samples",
        "sources.3",
    }
    assert "must be a number > 0, got 0" in found["sources.1.weight"].message
    assert found["sources.2.text_colum"].hint == "did you mean text_column?"
    assert (found["sources.2.text_colum"].line, found["sources.2.max_samples"].line) == (5, 6)
    assert "must be a whole number >= 1, got many" in found["sources.2.max_samples"].message
    assert "must be a list" in problems("kind: dataset\nsources: a.csv\n")["sources"].message


@pytest.mark.parametrize(
    ("values", "key", "said"),
    [
        ({}, "source.path", "no documents chosen"),
        ({"source": {"path": "a"}, "sources": [{"path": "b"}]}, "sources", "source is set too"),
        ({"source": {"text_column": "t"}, "sources": [{"path": "b"}]}, "sources", "is set too"),
        ({"sources": [{"path": "a"}, {"weight": 1}]}, "sources", "source 2 has no path"),
        ({"instruction": "a", "instructions": {"b": 1}}, "instructions", "instruction is set too"),
        ({"instructions": {"a": 1, "b": 0, "c": -1}}, "instructions", "is not for 'b', 'c'"),
        ({"instructions": {"a": "much"}}, "instructions", "name: value pairs"),
        ({"instructions": {"a {b": 1}}, "instructions", "'{' at character 3 of 'a {b'"),
        ({"instruction": "so }"}, "instruction", "'}' at character 4 of 'so }'"),
        ({"filter": {"scripts": ["Latin", "Elvish"]}}, "filter.scripts", "no script named Elvish"),
        (
            {"filter": {"min_characters": 9, "max_characters": 8}},
            "filter.min_characters",
            "is above filter.max_characters",
        ),
    ],
)
def test_what_cannot_be_is_said(values: dict[str, Any], key: str, said: str):
    source = {} if {"source", "sources"} & set(values) or not values else {"source": {"path": "a"}}
    found = {one.key: one for one in check_values({"kind": "dataset", **source, **values}).problems}
    assert set(found) == {key}
    assert said in found[key].message
    assert found[key].hint or key == "instructions"


def test_fonts_have_weights_above_nothing():
    found = problems(
        "kind: dataset\nsource: {path: a.csv}\n"
        "page: {fonts: {DejaVu Sans: 1, Serif: 0, Mono: -1}}\n"
    )
    assert set(found) == {"page.fonts"}
    assert "'Serif', 'Mono'" in found["page.fonts"].message
