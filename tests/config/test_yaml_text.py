"""YAML text: parsed with line numbers, edited in place with its comments."""

from __future__ import annotations

import contextlib

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


def bomb(levels: int = 9, width: int = 9) -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    for level in range(1, levels):
        items = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{items}]")
    return "\n".join(lines)


def merge_bomb(levels: int = 9, width: int = 9) -> str:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        items = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {{<<: [{items}]}}")
    return "\n".join(lines)


HOSTILE = {
    "aliases that multiply": (bomb(), "more than 10,000 values"),
    "merges that multiply": (merge_bomb(), "more than 10,000 values"),
    "a list that contains itself": ("a: &a [1, *a]", "`*a` contains itself"),
    "a mapping that contains itself": ("a: &a\n  b: *a", "`*a` contains itself"),
    "an unknown alias": ("a: *b", "found undefined alias"),
    "lists in lists": ("a: " + "[" * 5000, "nested more than"),
    "mappings in mappings": ("a: " + "{a: " * 5000, "nested more than"),
    "keys in keys": ("? " * 5000, "nested more than"),
    "blocks in blocks": ("".join(f"{' ' * n}a:\n" for n in range(1000)), "nested more than"),
    "many values": ("a: [" + "1, " * 100_000 + "]", "more than 10,000 values"),
    "an integer of 6,000 digits": ("a: " + "7" * 6000, "an integer of 6000 characters"),
    "a hexadecimal of 6,000 digits": ("a: 0x" + "7" * 6000, "an integer of 6002 characters"),
    "a tag of Python": ("a: !!python/object/apply:os.system [ls]", "tag .*is not supported"),
    "a date that is none": ("a: !!timestamp x", "tag !!timestamp is not supported"),
    "an integer that is none": ("a: !!int x", "tag !!int is not supported"),
    "too large": ("a: x # " + "x" * (1 << 20), "larger than 1 MiB"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_an_error_with_its_line(case: str):
    text, message = HOSTILE[case]
    with pytest.raises(yaml_text.YamlSyntaxError, match=message) as caught:
        yaml_text.parse(text)
    assert caught.value.line >= 1
    with pytest.raises(yaml_text.YamlSyntaxError):
        yaml_text.parse_value("{" + text + "}" if "\n" not in text else text)


def test_ordinary_aliases_merges_and_strings_are_read():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\nd: !!str 7\n"
    assert yaml_text.parse(text).values == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}] * 2,
        "d": "7",
    }


@given(st.text(alphabet="ab&*[]{},:?-!<>|'\"#%@`\n\t 10x.\u202e\x00"))
def test_parse_raises_nothing_but_syntax_errors(text: str):
    with contextlib.suppress(yaml_text.YamlSyntaxError):
        yaml_text.parse(text)
