"""Control characters, surrogates and blank texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.clean_text import (
    CONTROL,
    REPLACEMENT,
    SURROGATE,
    clean,
    is_blank,
)


def test_control_characters_are_removed_and_counted():
    cleaned = clean("\ufeffa\x00b\x1b[1mc\x7f\td\n")
    assert cleaned.text == "ab[1mc\td\n"
    assert cleaned.removed_controls == 4


def test_control_characters_can_be_shown():
    cleaned = clean("\ufeffa\x00b\x9f\td\n", show=True)
    assert cleaned.text == "<U+FEFF>a<U+0000>b<U+009F>\td\n"
    assert (cleaned.shown_controls, cleaned.removed_controls) == (3, 0)


def test_lone_surrogates_are_replaced_and_counted():
    cleaned = clean("a\ud800b")
    assert cleaned.text == "a\ufffdb"
    assert cleaned.replaced_surrogates == 1


@given(st.text(st.characters(exclude_categories=())))
def test_a_cleaned_text_can_be_encoded_and_stays_the_same(text: str):
    cleaned = clean(text)
    cleaned.text.encode()
    again = clean(cleaned.text)
    assert again.text == cleaned.text
    assert not again.removed_controls
    assert not again.replaced_surrogates
    assert len(text) - len(cleaned.text) == cleaned.removed_controls


@given(st.text(st.characters(exclude_categories=())))
def test_shown_control_characters_can_be_read_back(text: str):
    shown = clean(text, show=True)
    restored = re.sub(
        r"<U\+([0-9A-F]{4})>",
        lambda match: chr(int(match[1], 16)) if CONTROL.match(chr(int(match[1], 16))) else match[0],
        shown.text,
    )
    assert shown.shown_controls == len(CONTROL.findall(text))
    assert not CONTROL.search(shown.text)
    assert restored == SURROGATE.sub(REPLACEMENT, text)


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufe0f\u2060", "\u3000"])
def test_blank_texts_leave_no_ink(text: str):
    assert is_blank(text)


@pytest.mark.parametrize("text", [" . ", " " * 100 + "a"])
def test_texts_with_a_visible_character_are_not_blank(text: str):
    assert not is_blank(text)
