"""Characters that nobody can read on a page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.unreadable_characters import (
    CANDIDATE,
    KINDS,
    count_unreadable,
    describe_unreadable,
    normalize,
)

ALL = ("NFC", "whitespace", "invisible")


@pytest.mark.parametrize(
    ("text", "kind", "normalized"),
    [
        ("co\xadop", "soft_hyphens", "coop"),
        ("a\u200bb", "zero_width_characters", "ab"),
        ("a\u2060b", "zero_width_characters", "ab"),
        ("ab\u200dc", "zero_width_characters", "abc"),
        ("ab\u200cc", "zero_width_characters", "abc"),
        ("ab\ufe0f", "zero_width_characters", "ab"),
        ("a\U000e0041b", "zero_width_characters", "ab"),
        ("\u200eabc", "bidi_marks", "abc"),
        ("\u2066abc\u2069", "bidi_marks", "abc"),
        ("10\xa0km", "unusual_spaces", "10 km"),
        ("10\u202fkm", "unusual_spaces", "10 km"),
        ("a\r\nb", "unusual_line_ends", "a\nb"),
        ("a\u2028b", "unusual_line_ends", "a\nb"),
        ("a \t\nb", "spaces_before_line_ends", "a\nb"),
        ("cafe\u0301", "decomposed_characters", "café"),
        ("\u212b", "decomposed_characters", "Å"),
        ("\u1100\u1161", "decomposed_characters", "가"),
    ],
)
def test_each_kind_is_counted_and_only_its_form_changes_it(text: str, kind: str, normalized: str):
    count = 2 if "\u2066" in text else 1
    assert count_unreadable(text) == {kind: count}
    assert normalize(text, [KINDS[kind]]) == normalized
    assert normalize(text, [form for form in ALL if form != KINDS[kind]]) == text
    assert normalize(text, []) == text


@pytest.mark.parametrize(
    "text",
    [
        "plain text\n\nwith\ttabs\n",
        "می\u200cخواهم",  # Persian: the letters beside it do not join.
        "क्\u200dष क्\u200cष",  # Devanagari: half form, visible virama.
        "ශ්\u200dරී",  # Sinhala
        "👩\u200d🚀 👨🏽\u200d🌾 ❤\ufe0f\u200d🔥 ☎\ufe0e 1\ufe0f\u20e3 🇳🇴",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "渡船\u3000七点半",
        "x\u0323\u0304",  # No composed character has both marks.
    ],
)
def test_what_can_be_seen_is_neither_counted_nor_changed(text: str):
    assert not count_unreadable(text)
    assert normalize(text, ALL) == text


candidates = [chr(code) for code in range(0x110000) if CANDIDATE.match(chr(code))]


@given(
    st.text(
        st.sampled_from([*candidates, *"ab \n\r\te\u0301بक्👩🚀❤1\u20e3\U0001f3f4"]), max_size=12
    )
)
def test_a_normalized_text_has_nothing_unreadable_and_stays_the_same(text: str):
    normalized = normalize(text, ALL)
    assert not count_unreadable(normalized)
    assert normalize(normalized, ALL) == normalized
    assert unicodedata.is_normalized("NFC", normalized)


def test_counts_read_as_a_sentence():
    counts = count_unreadable("a\xadb\xad\u200e\r\n")
    assert describe_unreadable(counts) == "2 soft hyphens, 1 bidi marks, 1 unusual line ends"
