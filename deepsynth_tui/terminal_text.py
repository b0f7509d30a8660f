"""What text may do to a terminal: be shown, and nothing else.

Every command prints through `cli.reporting`, and the interface draws through
`tui.terminal_filter`; both pass text through this module, so that no file, name or message can
move a cursor, set a title, fill the clipboard or reorder what stands beside it.
"""

from __future__ import annotations

import re

# ECMA-48: a string (OSC, DCS, SOS, PM, APC) up to its terminator; a CSI sequence; any other
# escape. Possessive quantifiers and bodies without control characters keep matching linear.
_ESCAPE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"
    r"|\x1b[ -/]*+[0-~]?"
)
# C0 but tab and line feed, DEL and C1; soft hyphen; marks that reorder the text around them;
# characters without a width; tags.
_HIDDEN = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
# Joiners and variation selectors: emoji and many scripts need them after a character that is not
# ASCII, one at a time, and a joiner also before one. "1️⃣" has a selector after a digit.
_JOINER = r"[\u200c\u200d]"
_SELECTOR = r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_MISPLACED = (
    rf"(?<![^\x00-\x7f]){_JOINER}+|{_JOINER}+(?![^\x00-\x7f])|(?<={_JOINER}){_JOINER}+"
    rf"|(?<![^\x00-\x7f]){_SELECTOR}+(?!\u20e3)|(?<={_SELECTOR}){_SELECTOR}+"
)
# What str.isprintable takes for shown although it is in the patterns above.
_PRINTABLE = re.compile(rf"\u034f|{_SELECTOR}")
_REMOVED = re.compile(f"{_HIDDEN}|{_MISPLACED}")
_BREAKS = re.compile(r"[\u2028\u2029]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def is_harmless(text: str) -> bool:
    """Return whether `text` is one line in which nothing has to be removed, in a microsecond.

    False means that it has to be looked at in full.
    """
    return text.isprintable() and (text.isascii() or _PRINTABLE.search(text) is None)


def remove_escapes(text: str) -> str:
    """Return `text` without whole escape sequences."""
    return _ESCAPE.sub("", text)


def remove_hidden(text: str) -> str:
    """Return `text` without single characters that are not shown; tabs and line feeds stay.

    Unicode line separators become spaces; lone surrogates, which no terminal takes, U+FFFD.
    """
    if is_harmless(text):
        return text
    text = _BREAKS.sub(" ", _REMOVED.sub("", text))
    return _SURROGATES.sub("\ufffd", text)


def terminal_text(text: str) -> str:
    """Return what of `text` may be printed: its visible characters, tabs and line feeds."""
    if is_harmless(text.replace("\n", "")):
        return text
    return remove_hidden(remove_escapes(text))
