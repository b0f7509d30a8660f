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
        ("source: {path: a}\noutput: {dir: 's3://bucket/pages'}", "output.dir"),
        ("source: {path: a, encoding: klingon}", "source.encoding"),
        ("source: {path: a, encoding: hex}", "source.encoding"),
        ("source: {path: a, delimiter: ', '}", "source.delimiter"),
        ("source: {path: a, delimiter: ''}", "source.delimiter"),
        ("source: {path: a, quotechar: ab}", "source.quotechar"),
        ("source: {path: a, quotechar: '|', delimiter: '|'}", "source.quotechar"),
    ],
)
def test_each_rule_reports_its_key(text: str, key: str):
    assert [problem.key for problem in problems_of(text)] == [key]


@pytest.mark.parametrize("encoding", ["utf-16", "UTF8", "latin-1", "cp1252", "shift_jis"])
def test_encodings_of_python_are_accepted(encoding: str):
    settings = f"path: a, encoding: {encoding}, delimiter: '\\t', quotechar: '', header: false"
    config = load_text(f"kind: dataset\nsource: {{{settings}}}\n").config
    assert config.source.encoding == encoding  # pyright: ignore[reportAttributeAccessIssue]


def test_a_wrong_value_in_one_of_several_sources_is_named():
    (problem,) = problems_of("sources:\n- {path: a}\n- {path: b, encoding: klingon}")
    assert "'klingon'" in problem.message
