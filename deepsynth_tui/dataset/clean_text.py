"""Remove or replace characters that cannot be drawn.

Control characters are removed, or written out as `<U+0007>`; lone surrogates, which UTF-8 cannot
encode, become U+FFFD. Each kind is counted. The cleaned text, in the chosen normal forms, is both
drawn and stored, so that a row's text is exactly what its pages show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from deepsynth_tui.config.dataset import NormalForm
from deepsynth_tui.dataset.unreadable_characters import count_unreadable, normalize

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# C0 but tab, line feed, vertical tab, form feed, carriage return; delete; C1 but next line; BOM.
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
SURROGATE = re.compile("[\ud800-\udfff]")
# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, and the controls above.
IGNORABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# `is_blank` looks at this many characters before it looks at the whole text.
PREFIX_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class CleanedText:
    """A text without control characters and surrogates, and how many there were of each.

    `normalized` counts the unreadable characters that normal forms removed or replaced, by kind.
    """

    text: str
    removed_controls: int
    shown_controls: int
    replaced_surrogates: int
    normalized: Counter[str]


def clean(text: str, *, show: bool = False, forms: Collection[NormalForm] = ()) -> CleanedText:
    """Return `text` without control characters and lone surrogates, in the normal `forms`.

    Tabs and line breaks of every kind stay. With `show`, control characters are written out as
    `<U+0007>` instead of being removed.
    """
    text, controls = CONTROL.subn(_escape if show else "", text)
    surrogates = 0
    if not text.isascii() and _has_surrogates(text):
        text, surrogates = SURROGATE.subn(REPLACEMENT, text)
    removed, shown = (0, controls) if show else (controls, 0)
    normalized: Counter[str] = Counter()
    if forms:
        before = count_unreadable(text)
        text = normalize(text, forms)
        normalized = before - count_unreadable(text)
    return CleanedText(text, removed, shown, surrogates, normalized)


def _has_surrogates(text: str) -> bool:
    # The encoder looks at a text several times as fast as a regular expression.
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _escape(match: re.Match[str]) -> str:
    # Unicode's control pictures (U+2400 and up) are missing from most fonts, the default included.
    return f"<U+{ord(match.group()):04X}>"


def is_blank(text: str) -> bool:
    """Return whether nothing in `text` would leave ink on a page."""
    # Most texts have a visible character near their start; the set of a long text takes longer.
    return all(
        is_invisible(character)
        for part in (text[:PREFIX_CHARACTERS], text)
        for character in set(part)
    )


def is_invisible(character: str) -> bool:
    """Return whether `character` is white space or ignored by renderers by default."""
    return character.isspace() or IGNORABLE.match(character) is not None
