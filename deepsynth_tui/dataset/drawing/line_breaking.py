"""Where a text may be broken into lines.

A paragraph is cut into words and the white space between them. Chinese and Japanese may be broken
between characters, but not before a closing or after an opening mark (kinsoku). A simplification
of Unicode's line breaking (UAX #14).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import regex

LINE_END = re.compile("(\r\n|[\n\v\f\r\x85\u2028\u2029])")
# Zero width space is a place to break, no-break spaces (U+00A0, U+2007, U+202F) are none.
SPACES = (
    " \x1c\x1d\x1e\x1f\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2008\u2009\u200a\u200b\u205f\u3000"
)
# A word and the white space after it.
WORD_AND_SPACES = re.compile(f"[^\t{SPACES}]+[{SPACES}]*")

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
# Thai, Lao, Tibetan, Burmese and Khmer put no space between words, so that nothing here says where
# one ends: a phrase too long for a line may be broken after any of its letters.
UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f]")
GRAPHEME = regex.compile(r"\X")
# Canonical combining class of signs that stack the next letter below: virama, coeng.
STACKING_CLASS = 9
# Vowels of Thai and Lao that are written before the letter they follow.
BEFORE_LETTER = frozenset("เแโใไເແໂໃໄ")
# More marks than this on one letter would stand in the lines above: they go beside it.
MOST_MARKS = 4


def paragraphs(text: str) -> Iterator[tuple[str, int]]:
    """Yield each paragraph, and of how many characters the line end after it is."""
    if text.isascii() and not any(end in text for end in "\r\v\f"):
        *others, last = text.split("\n")
        yield from ((one, 1) for one in others)
        yield last, 0
        return
    pieces = LINE_END.split(text)
    for paragraph, line_end in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        yield paragraph, len(line_end)


def clusters(word: str) -> Iterator[str]:
    """Yield what a reader sees as one character: a base and what sits on or below it."""
    held = ""
    for match in GRAPHEME.finditer(word):
        grapheme = match[0]
        if held and not _binds(held[-1]):
            yield from _short(held)
            held = ""
        held += grapheme
    if held:
        yield from _short(held)


@lru_cache(1 << 16)
def parts(word: str) -> tuple[str, ...]:
    """Return the pieces of `word` between which a line may end."""
    if word.isascii() and "-" not in word:
        return (word,)
    found: list[str] = []
    held = ""
    for cluster in clusters(word):
        if held and _may_break(held, cluster):
            found.append(held)
            held = ""
        held += cluster
    return (*found, held)


def _binds(character: str) -> bool:
    """Return whether what follows `character` belongs to it."""
    return character in BEFORE_LETTER or unicodedata.combining(character) == STACKING_CLASS


def _short(cluster: str) -> Iterator[str]:
    start = marks = 0
    for place, character in enumerate(cluster):
        marks += unicodedata.combining(character) not in (0, STACKING_CLASS)
        if marks > MOST_MARKS:
            yield cluster[start:place]
            start, marks = place, 1
    yield cluster[start:]


def _may_break(held: str, cluster: str) -> bool:
    """Return whether a line may end between `held` and `cluster`."""
    before, after = held[-1], cluster[0]
    if after in CLOSING or before in OPENING:
        return False
    if IDEOGRAPHIC.match(before) or IDEOGRAPHIC.match(after):
        return True
    # well-known, but neither -5 nor --option
    joins_words = len(held) >= 2 and held[-2].isalnum() and after.isalpha()
    return before in HYPHENS and joins_words
