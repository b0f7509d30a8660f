"""Characters that have no place on a page.

Control characters are taken out, or written as what they are; lone surrogates (which no file can
hold) become U+FFFD. All are counted. The outcome is drawn and stored, so that the text of a row is
the text of its pages.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

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


AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text fit to be drawn, and how many of the original's characters are not in it as such."""

    text: str
    removed_controls: int
    shown_controls: int
    replaced_surrogates: int


def clean(text: str, *, show: bool = False) -> Cleaned:
    """Return `text` without control characters, or to `show` them with `<U+0007>` in their place,
    and without lone surrogates.

    Tabs and line breaks of every kind stay.
    """
    text, controls = CONTROL.subn(_visible if show else "", text)
    replaced = 0
    if not text.isascii():
        text, replaced = SURROGATE.subn(REPLACEMENT, text)
    return Cleaned(text, 0 if show else controls, controls if show else 0, replaced)


def _visible(found: re.Match[str]) -> str:
    # Not Unicode's control pictures (U+2400 on): most fonts, the default one too, lack them.
    return f"<U+{ord(found.group()):04X}>"


def is_blank(text: str) -> bool:
    """Return whether nothing of `text` would leave ink on a page."""
    # Most texts show something at once; a set of all their characters takes longer.
    return all(
        is_invisible(character) for part in (text[:AT_ONCE], text) for character in set(part)
    )


def is_invisible(character: str) -> bool:
    """Return whether `character` is white space or one that a renderer ignores by default."""
    return character.isspace() or IGNORABLE.match(character) is not None


def visible_counts(text: str) -> Counter[str]:
    """Return how often each character that should leave ink occurs in `text`."""
    counts = Counter(text)
    for character in [c for c in counts if is_invisible(c)]:
        del counts[character]
    return counts
