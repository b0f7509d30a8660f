"""Characters that leave no trace on a page, so that nobody can read them off it.

A model that learns to transcribe cannot know where they were: they are counted in the answers, and
`normalize` removes or replaces them in everything that is drawn or learned.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping

import regex

from deepsynth_tui.config.dataset import NormalForm

KINDS: Mapping[str, NormalForm] = {
    "soft_hyphens": "invisible",
    "zero_width_characters": "invisible",
    "bidi_marks": "invisible",
    "unusual_spaces": "whitespace",
    "unusual_line_ends": "whitespace",
    "spaces_before_line_ends": "whitespace",
    "decomposed_characters": "NFC",
}
"""Kind of unreadable character -> the normal form without it."""

ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER = "\u200c", "\u200d"
BLACK_FLAG = "\U0001f3f4"
# What is unreadable outside ASCII, or may be: `_kind` tells.
CANDIDATE = re.compile(
    "[\x85\xa0\xad\u034f\u061c\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufe0e\ufe0f\uffa0"
    "\U000e0000-\U000e007f]"
)
LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
TRAILING_SPACE = re.compile(r"[ \t]+(?=\n|\Z)")
# An ideographic space (U+3000) differs from a space in its width.
SPACES = frozenset(
    "\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
)
BIDI_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_SEPARATORS = frozenset("\x85\u2028\u2029")
PRESENTATION_SELECTORS = frozenset("\ufe0e\ufe0f")
# Scripts with letters that join or stack, which a joiner or non-joiner beside them shows: Arabic,
# Syriac, N'Ko, Mongolian, and those of India and Southeast Asia.
JOINING_SCRIPTS = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u1aaf\u1b00-\u1c4f\u1cd0-\u1cff"
    "\ua800-\ua82f\ua840-\ua8ff\ua930-\ua9ff\uaa00-\uaadf\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00010fff\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
EMOJI = regex.compile(r"\p{Emoji}")
EMOJI_BEFORE_JOINER = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F\u20E3]")
PICTOGRAPH = regex.compile(r"\p{Extended_Pictographic}")
CLUSTER = regex.compile(r"\X")


def count_unreadable(text: str) -> Counter[str]:
    """Return how many unreadable characters `text` has, by their kind."""
    counts: Counter[str] = Counter()
    counts["unusual_line_ends"] = sum(map(text.count, "\r\v\f"))
    counts["spaces_before_line_ends"] = text.count(" \n") + text.count("\t\n")
    if not text.isascii():
        for match in CANDIDATE.finditer(text):
            if kind := _kind(text, match.start()):
                counts[kind] += 1
        counts["decomposed_characters"] = _count_decomposed(text)
    return +counts


def normalize(text: str, forms: Collection[NormalForm]) -> str:
    """Return `text` in these normal forms.

    `invisible` removes soft hyphens, zero-width characters and bidi marks, but no joiner that
    letters or emoji need. `NFC` composes letters and their accents. `whitespace` makes every space
    but the ideographic one a plain space and every line end a line feed, without spaces before it.
    """
    if "invisible" in forms and not text.isascii():
        text = _without_invisible(text)
    if "NFC" in forms:
        text = unicodedata.normalize("NFC", text)
    if "whitespace" in forms:
        text = LINE_END.sub("\n", text)
        text = text if text.isascii() else text.translate(dict.fromkeys(map(ord, SPACES), " "))
        text = TRAILING_SPACE.sub("", text)
    return text


def describe_unreadable(counts: Mapping[str, int]) -> str:
    """Return the counts for a sentence: `3 soft hyphens, 1 bidi marks`."""
    return ", ".join(
        f"{counts[kind]} {kind.replace('_', ' ')}" for kind in KINDS if counts.get(kind)
    )


def _without_invisible(text: str) -> str:
    """Remove invisible characters until none is left: one may have hidden that another is."""
    while True:
        kept = CANDIDATE.sub(
            lambda match: (
                "" if KINDS.get(_kind(match.string, match.start())) == "invisible" else match[0]
            ),
            text,
        )
        if kept == text:
            return text
        text = kept


def _kind(text: str, index: int) -> str:
    """Return the kind of the candidate at `index`; empty if it changes what is seen."""
    character, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if character == "\xad":
        return "soft_hyphens"
    if character in BIDI_MARKS:
        return "bidi_marks"
    if character in SPACES:
        return "unusual_spaces"
    if character in LINE_SEPARATORS:
        return "unusual_line_ends"
    if character in (ZERO_WIDTH_NON_JOINER, ZERO_WIDTH_JOINER):
        needed = bool(JOINING_SCRIPTS.match(before) or JOINING_SCRIPTS.match(after))
        if character == ZERO_WIDTH_JOINER and EMOJI_BEFORE_JOINER.match(before):
            needed = bool(PICTOGRAPH.match(after))
    elif character in PRESENTATION_SELECTORS:
        needed = bool(EMOJI.match(before))
    else:
        needed = character >= "\U000e0000" and _is_in_flag(text, index)
    return "" if needed else "zero_width_characters"


def _is_in_flag(text: str, index: int) -> bool:
    """Return whether the tag at `index` belongs to the flag of a region, such as Scotland's."""
    while index > 0 and text[index] >= "\U000e0000":
        index -= 1
    return text[index] == BLACK_FLAG


def _count_decomposed(text: str) -> int:
    """Return how many characters of `text`, with their accents, are not in NFC."""
    if unicodedata.is_normalized("NFC", text):
        return 0
    clusters = CLUSTER.findall(text)
    return sum(not unicodedata.is_normalized("NFC", cluster) for cluster in clusters) or 1
