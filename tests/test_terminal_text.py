"""No text does anything to a terminal but show characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.terminal_text import remove_hidden, terminal_text

KEPT = "\t\n\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b]52;c;aGk=\x07copied", "copied"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred\x9d0;title\x9c\x90q\x9c", "red"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("\u2066a\u2069\u061c\u200e\u200f\ufeff\u200b\u2060\u00ad\u180e", "a"),
        ("a\u2028b\ud800", "a b\ufffd"),
        ("\U000e0041hidden", "hidden"),
        # Joiners and selectors that emoji and scripts need stay, others do not.
        ("👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3", "👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("my\u200drun\u200d\u200c", "myrun"),
        ("日\u200d\u200d\u200d本", "日\u200d本"),
        ("日\ufe00\ufe01\ufe02 a\ufe0f", "日\ufe00 a"),
    ],
)
def test_what_is_shown(text: str, shown: str):
    assert terminal_text(text) == shown


@given(st.text())
def test_only_visible_characters_remain(text: str):
    for character in terminal_text(text):
        assert character in KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


@given(st.text())
def test_a_second_time_changes_nothing(text: str):
    assert remove_hidden(remove_hidden(text)) == remove_hidden(text)
