"""Where a text may be broken into lines.

A text is cut into tokens without gaps: words that must not be broken, runs of spaces, tabs and
line ends. Chinese and Japanese may be broken between characters, but not before a closing or
after an opening mark (kinsoku). A simplification of Unicode's line breaking (UAX #14).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

LINE_END = "\r\n|[\n\v\f\r\x85\u2028\u2029]"
# Zero width space is a place to break, no-break spaces (U+00A0, U+2007, U+202F) are none.
SPACES = "[ \x1c-\x1f\u1680\u2000-\u2006\u2008-\u200b\u205f\u3000]+"
WORD = "[^\t\n\v\f\r\x1c-\x1f \x85\u1680\u2000-\u2006\u2008-\u200b\u2028\u2029\u205f\u3000]+"
TOKEN = re.compile(f"(?P<word>{WORD})|(?P<space>{SPACES})|(?P<tab>\t)|(?P<line_end>{LINE_END})")

OPENING = frozenset("([{‘“‹«〈《「『【〔〖〘〚〝（［｛｟")
CLOSING = frozenset(
    ")]}’”›»!?,.:;、。，．：；！？〉》」』】〕〗〙〛〞〟）］｝｠・ー々〻ゝゞヽヾ…‥％"
    "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
)
HYPHENS = frozenset("-\N{HYPHEN}\N{EN DASH}\N{EM DASH}")
# Kana, CJK symbols and ideographs; half- and full-width forms. Hangul is broken at its spaces.
IDEOGRAPHIC = re.compile(
    "[\u2e80-\u303e\u3041-\u30ff\u3105-\u312f\u31a0-\ua4cf\uf900-\ufaff"
    "\ufe30-\ufe4f\uff00-\uff9f\U0001b000-\U0001b2ff\U00020000-\U0003ffff]"
)
ZERO_WIDTH_JOINER = "\u200d"
EXTENDING = re.compile("[\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]")


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    SPACE = "space"
    TAB = "tab"
    LINE_END = "line_end"


@dataclass(frozen=True, slots=True)
class Token:
    """The characters `start` to `end` of a text."""

    kind: Kind
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of `text` in order, without gaps or overlap."""
    for match in TOKEN.finditer(text):
        kind = Kind(match.lastgroup)
        if kind is Kind.WORD:
            yield from _words(text, match.start(), match.end())
        else:
            yield Token(kind, match.start(), match.end())


def clusters(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges that a reader sees as one character: a base and what sits on it."""
    begin = start
    for position in range(start + 1, end):
        if not _extends(text, position):
            yield begin, position
            begin = position
    if begin < end:
        yield begin, end


def _words(text: str, start: int, end: int) -> Iterator[Token]:
    word = text[start:end]
    if word.isascii() and "-" not in word:
        yield Token(Kind.WORD, start, end)
        return
    begin = start
    for position, _ in clusters(text, start, end):
        if position > begin and _may_break(text, begin, position):
            yield Token(Kind.WORD, begin, position)
            begin = position
    yield Token(Kind.WORD, begin, end)


def _may_break(text: str, begin: int, position: int) -> bool:
    """Return whether the word that starts at `begin` may end before `position`."""
    before, after = text[position - 1], text[position]
    if after in CLOSING or before in OPENING:
        return False
    if IDEOGRAPHIC.match(before) or IDEOGRAPHIC.match(after):
        return True
    # well-known, but neither -5 nor --option
    joins_words = position - begin >= 2 and text[position - 2].isalnum() and after.isalpha()
    return before in HYPHENS and joins_words


def _extends(text: str, position: int) -> bool:
    character = text[position]
    if character.isascii():
        return False
    return (
        text[position - 1] == ZERO_WIDTH_JOINER
        or EXTENDING.match(character) is not None
        or unicodedata.category(character).startswith("M")
    )
