"""YAML text: parsed with line numbers, edited in place with its comments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config import yaml_text

COMMENTED = """\
# A run of mine
kind: training
lora: # small
  r: 16   # rank
  target_modules:
    - q_proj # query
    - v_proj
  # the end of lora
data: {path: here, split: train}  # flow
model:
"""


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def test_scalars_follow_the_yaml_1_2_core_schema():
    values = yaml_text.parse("a: 2e-4\nb: no\nc: 010\nd: 12:30\ne: 2026-01-01\nf:\n").values
    assert values == {"a": 2e-4, "b": "no", "c": 10, "d": "12:30", "e": "2026-01-01", "f": None}


def test_lines_of_keys_and_repeated_keys():
    document = yaml_text.parse("kind: training\nlora:\n  r: 1\n\n  r: 2\n")
    assert document.lines["lora"] == 2
    assert document.lines["lora.r"] == 5
    assert document.repeated == ("lora.r",)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: [1, 2\n", 3), ("- a\n- b\n", 1), ("a: 1\nb: \x00\n", 2), ("a: 1\n\tb: 2\n", 2)],
)
def test_a_syntax_error_has_its_line(text: str, line: int):
    with pytest.raises(yaml_text.YamlSyntaxError) as raised:
        yaml_text.parse(text)
    assert raised.value.line == line


def test_edit_changes_the_value_and_nothing_else():
    edited = yaml_text.edit(COMMENTED, {"lora.r": 32})
    assert edited == COMMENTED.replace("r: 16   # rank", "r: 32   # rank")


def test_edit_of_an_equal_value_leaves_the_text_alone():
    assert yaml_text.edit(COMMENTED, {"lora.r": 16, "data.split": "train"}) == COMMENTED


def test_edit_adds_missing_keys_and_sections():
    edited = yaml_text.edit(
        COMMENTED, {"lora.lora_alpha": 8, "data.path": "no", "model.dtype": "a", "output.dir": None}
    )
    assert yaml_text.parse(edited).values == {
        "kind": "training",
        "lora": {"r": 16, "target_modules": ["q_proj", "v_proj"], "lora_alpha": 8},
        "data": {"path": "no", "split": "train"},
        "model": {"dtype": "a"},
        "output": {"dir": None},
    }
    assert comments(edited) == comments(COMMENTED)


def test_edit_replaces_a_block_list_and_a_block_string():
    edited = yaml_text.edit("a:\n  - x\n  - y\nb: |\n  one\n  two\n\nc: 1\n", {"a": [3], "b": "z"})
    assert edited == "a: [3]\nb: z\n\nc: 1\n"


def test_editing_an_alias_does_not_change_its_anchor():
    edited = yaml_text.edit("a: &x 1\nb: *x\n", {"b": 2})
    assert yaml_text.parse(edited).values == {"a": 1, "b": 2}


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)
)
names = st.text("abcdefg_", min_size=1, max_size=5)
values_of_a_field = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.dictionaries(names, scalars, max_size=2)
)
configurations = st.dictionaries(
    names, st.one_of(scalars, st.dictionaries(names, values_of_a_field, max_size=3)), max_size=4
)


@given(configurations)
def test_dump_round_trip(values: dict[str, object]):
    assert yaml_text.parse(yaml_text.dump(values)).values == values


@given(configurations, names, names, values_of_a_field, st.booleans())
def test_edit_equals_setting_the_value(
    values: dict[str, object], section: str, name: str, value: object, flow: bool
):
    text = "# top\n" + yaml_text.dump(values)
    if flow and values:
        text = "# top\n" + repr_flow(values)
    key = f"{section}.{name}"
    edited = yaml_text.edit(text, {key: value})
    assert yaml_text.parse(edited).values == yaml_text.with_value(values, key, value)
    assert edited.startswith("# top\n")


def repr_flow(values: dict[str, object]) -> str:
    import yaml

    return yaml.dump(values, Dumper=yaml_text._Dumper, default_flow_style=True, width=10**6)
