"""Texts split into parts of a limited length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.dataset.clean_text import is_invisible
from deepsynth_tui.dataset.split_text import split_text, trim


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("", 10, []),
        (" \n\u200b\n ", 10, []),
        ("short", 10, ["short"]),
        # Paragraphs stay whole, and as many as fit share a part.
        ("aa aa\n\nbb bb\n\ncc cc", 12, ["aa aa\n\nbb bb", "cc cc"]),
        ("aa aa\n\nbb bb\n\ncc cc", 8, ["aa aa", "bb bb", "cc cc"]),
        ("aa aa\r\n\r\nbb bb", 5, ["aa aa", "bb bb"]),
        # A paragraph that fits exactly, and the white space after it.
        ("aaaa\n\n\n  bbbb", 6, ["aaaa", "  bbbb"]),
        # A longer paragraph: sentences, which may stretch over lines.
        ("One two. Three\nfour. Five six.", 14, ["One two.", "Three\nfour.", "Five six."]),
        ('He said "no." She went.', 14, ['He said "no."', "She went."]),
        ("海很大。沙子是白的。孩子", 7, ["海很大。", "沙子是白的。", "孩子"]),
        # A line that ends with a sentence is better than a sentence within a line.
        ("One. Two.\nThree. Four five.", 18, ["One. Two.", "Three. Four five."]),
        # Lines without full stops, then words, then characters.
        ("eggs and\nflour and\nmilk", 19, ["eggs and\nflour and", "milk"]),
        ("one two three", 9, ["one two", "three"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("e\u0301" * 3, 3, ["e\u0301"] * 3),
        ("e\u0301", 1, ["e", "\u0301"]),
        # White space longer than a part.
        ("a" + " " * 50 + "b\n" + "\n" * 50 + "c", 10, ["a", "b", "c"]),
    ],
)
def test_parts(text: str, limit: int, parts: list[str]):
    assert list(split_text(text, limit)) == parts


@given(
    st.text(st.sampled_from("ab .!?\n\r\t。e\u0301\u200b👩\u200d"), max_size=80), st.integers(1, 30)
)
def test_nothing_visible_is_lost(text: str, limit: int):
    parts = list(split_text(text, limit))
    assert all(0 < len(part) <= limit for part in parts)
    assert all(part == trim(part) for part in parts)

    def visible(whole: str) -> str:
        return "".join(character for character in whole if not is_invisible(character))

    assert visible("".join(parts)) == visible(text)
