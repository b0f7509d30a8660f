"""Instructions that contain columns of a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.instruction_template import TemplateError, parse_template


def test_columns_are_inserted_and_double_braces_are_literal():
    template = parse_template("In {language}, as {{json}}: {my column}{language}")
    assert template.columns == ("language", "my column")
    values = {"language": "{Greek}", "my column": "x"}
    assert template.filled(values) == "In {Greek}, as {json}: x{Greek}"


@pytest.mark.parametrize("text", ["{", "}", "a {b", "a} b", "{}", "{ }", "{a{b}", "{{a}"])
def test_an_unmatched_brace_is_reported_with_its_position(text: str):
    with pytest.raises(TemplateError, match="at character"):
        parse_template(text)


@given(st.text())
def test_any_text_can_be_escaped(text: str):
    template = parse_template(text.replace("{", "{{").replace("}", "}}"))
    assert template.columns == ()
    assert template.filled({}) == text
