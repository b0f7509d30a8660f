"""JSON arrays read in chunks of any size."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.reading.json_objects import iter_elements
from deepsynth_tui.json_stream import InvalidJson

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)


def split(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@given(st.lists(objects, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
def test_any_array_in_chunks_of_any_size(array: list[dict], size: int, indent: int | None):
    text = json.dumps(array, indent=indent)
    assert [value for _, value, _ in iter_elements(iter(split(text, size)))] == array


def test_elements_have_line_numbers():
    assert list(iter_elements(iter(['[\n {"a": "x', 'y"\n},\n\n{}\n]\n']))) == [
        (2, {"a": "xy"}, '{"a": "xy"\n}'),
        (5, {}, "{}"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[", 1), ('[{"a": 1}', 1), ('[{"a": 1}\n{}]', 2), ("[{},]", 1), ("[{}]\nx", 2), ("\n{}", 2),
     ('[{"a": 1},\n{"b": tru}]' + " " * 99, 2), ('[\n{"a": "x', 2)],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_invalid_arrays_raise_with_the_line(text: str, line: int, size: int):
    with pytest.raises(InvalidJson) as caught:
        list(iter_elements(iter(split(text, size))))
    assert caught.value.line == line


def test_an_error_is_raised_without_reading_further():
    def endless():
        yield '[{"a": nonsense}' + " " * 100
        raise AssertionError("read further after an error")

    with pytest.raises(InvalidJson):
        list(iter_elements(endless()))


def test_an_object_that_cannot_be_a_row_does_not_end_the_array():
    digits = "1" * 5000
    text = f'[{{"a": 1, "a": 2}},\n{{"a": {digits}}},\n{{"a": 3}}]'
    (_, twice, _), (line, long, _), (_, value, _) = iter_elements(iter(split(text, 100)))
    assert "'a'" in str(twice)
    assert line == 2
    assert "4300 digits" in str(long)
    assert value == {"a": 3}
