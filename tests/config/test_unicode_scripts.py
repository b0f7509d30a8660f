"""Unicode scripts of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.unicode_scripts import is_script, share


@pytest.mark.parametrize("name", ["Latin", "latin", "Cyrl", "Han", "Old_Italic"])
def test_valid_names(name: str):
    assert is_script(name)


@pytest.mark.parametrize("name", ["", "Klingon", "L", "Latin}", "русский", "Latin|Greek"])
def test_invalid_names(name: str):
    assert not is_script(name)


@pytest.mark.parametrize(
    ("text", "scripts", "expected"),
    [
        ("abc где", ["Latin"], 0.5),
        ("abc где", ["Latin", "Cyrillic"], 1.0),
        ("12 + 3 — ½", ["Latin"], 1.0),
        ("カレー", ["Katakana"], 1.0),
        ("漢字かな", ["Han"], 0.5),
        ("cafe\u0301", ["Latin"], 1.0),
    ],
)
def test_share_counts_letters_only(text: str, scripts: list[str], expected: float):
    assert share(text, scripts) == expected


@given(st.text())
def test_the_shares_of_two_scripts_add_up(text: str):
    both = share(text, ["Latin", "Greek"])
    latin, greek = share(text, ["Latin"]), share(text, ["Greek"])
    assert 0 <= both <= 1
    assert both == 1.0 == latin == greek or both == pytest.approx(latin + greek)
