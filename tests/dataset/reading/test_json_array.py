"""A JSON array in pieces of any size."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.reading.json_array import InvalidArray, elements

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@given(st.lists(objects, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
def test_any_array_in_any_pieces(array: list[dict], size: int, indent: int | None):
    text = json.dumps(array, indent=indent)
    assert [value for _, value in elements(iter(pieces(text, size)))] == array


def test_elements_know_their_lines():
    assert list(elements(iter(['[\n {"a": "x', 'y"\n},\n\n{}\n]\n']))) == [
        (2, {"a": "xy"}),
        (5, {}),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[", 1), ('[{"a": 1}', 1), ('[{"a": 1}\n{}]', 2), ("[{},]", 1), ("[{}]\nx", 2), ("\n{}", 2),
     ('[{"a": 1},\n{"b": tru}]' + " " * 99, 2), ('[\n{"a": "x', 2)],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_no_array_is_refused_with_its_line(text: str, line: int, size: int):
    with pytest.raises(InvalidArray) as caught:
        list(elements(iter(pieces(text, size))))
    assert caught.value.line == line


def test_an_error_is_told_without_reading_on():
    def endless():
        yield '[{"a": nonsense}' + " " * 100
        raise AssertionError("read on after an error")

    with pytest.raises(InvalidArray):
        list(elements(endless()))
