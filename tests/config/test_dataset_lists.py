"""Lists of sources and mappings of instructions: loading them, and problems in them."""

from __future__ import annotations

from typing import Any

import pytest

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import check_values, load_text
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.config.source import MixedSource

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


def test_sources_and_instructions_from_yaml():
    loaded = load_text(SEVERAL)
    config = loaded.config
    assert isinstance(config, DatasetConfig)
    assert [source.path for source in config.all_sources] == ["a.csv", "b.jsonl"]
    assert config.sources[1] == MixedSource(path="b.jsonl", weight=2.5)
    assert config.instructions == {"Read. All of it.": 1, "In {language}, please = now:": 0.5}
    assert "# Two of them." in loaded.text
    assert load_text(loaded.text).config == config


def test_problems_of_a_source_have_its_number_and_line():
    by_key = problems(
        "kind: dataset\nsources:\n  - {path: a.csv, weight: 0}\n  - path: b.csv\n"
        "    text_colum: body\n    max_samples: many\n  - 7\n"
    )
    assert set(by_key) == {
        "sources.1.weight",
        "sources.2.text_colum",
        "sources.2.max_samples",
        "sources.3",
    }
    assert "must be a number > 0, got 0" in by_key["sources.1.weight"].message
    assert by_key["sources.2.text_colum"].hint == "did you mean text_column?"
    assert (by_key["sources.2.text_colum"].line, by_key["sources.2.max_samples"].line) == (5, 6)
    assert "must be a whole number >= 1, got many" in by_key["sources.2.max_samples"].message
    assert "must be a list" in problems("kind: dataset\nsources: a.csv\n")["sources"].message


@pytest.mark.parametrize(
    ("values", "key", "message"),
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
def test_contradictions_are_reported(values: dict[str, Any], key: str, message: str):
    source = {} if {"source", "sources"} & set(values) or not values else {"source": {"path": "a"}}
    result = check_values({"kind": "dataset", **source, **values})
    by_key = {problem.key: problem for problem in result.problems}
    assert set(by_key) == {key}
    assert message in by_key[key].message
    assert by_key[key].hint or key == "instructions"


def test_font_weights_must_be_positive():
    by_key = problems(
        "kind: dataset\nsource: {path: a.csv}\n"
        "page: {fonts: {DejaVu Sans: 1, Serif: 0, Mono: -1}}\n"
    )
    assert set(by_key) == {"page.fonts"}
    assert "'Serif', 'Mono'" in by_key["page.fonts"].message
