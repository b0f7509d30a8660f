"""Levels and order of mixed text, against another implementation of UAX #9."""

import unicodedata

import bidi
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepsynth_tui.dataset.drawing.bidi import LETTERS, REMOVED, levels, may_reorder, visual_order

ALPHABET = (
    "abאבجدé\u0300\u05b1 0123٣٤+-,.:%$()[]{}⟨⟩!?&"
    "\u200f\u200e\u061c\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e"
)
UNSEEN = "\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u202e"
# Whatever of these ends a line has the level of the paragraph (L1), and no ink.
ENDS_NOTHING = " " + UNSEEN


def shown(text: str) -> str:
    """The characters of a paragraph of one line from left to right, none mirrored."""
    base, found = levels(text)
    for place in range(len(text.rstrip(ENDS_NOTHING)), len(text)):
        found[place] = base  # rule L1
    kept = [
        place
        for place, character in enumerate(text)
        if LETTERS[unicodedata.bidirectional(character) or "L"] not in REMOVED
    ]
    order = visual_order([found[place] for place in kept])
    return "".join(text[kept[i]] for i in order)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "hello"),
        ("אבג", "גבא"),
        ("abc אבג def", "abc גבא def"),
        ("אב (x) 12", "12 )x( בא"),
        ("car (אב) b", "car (בא) b"),
    ],
)
def test_shows_mixed_text_in_its_order(text: str, expected: str) -> None:
    assert shown(text) == expected


# The same examples each time: of 100,000 texts one is the library's fault (FriBidi sides with us).
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(ALPHABET, min_size=1, max_size=24))
@example("(א[b)]")
@example("א\u2067a)\u2069b(")
@example("a\u202eאb1\u202c٣,٤")
def test_agrees_with_the_reference_library(text: str) -> None:
    # The library forgets rule L1 where the end of a line was overridden.
    text = text.rstrip(ENDS_NOTHING)
    ours, theirs = (
        "".join(character for character in line if character not in UNSEEN)
        for line in (shown(text), str(bidi.get_display(text)))
    )
    assert ours == theirs


def test_left_to_right_text_is_told_apart_quickly() -> None:
    assert not may_reorder("plain text, ελληνικά, 漢字")
    assert may_reorder("قال")
    assert may_reorder("\u202eabc")
