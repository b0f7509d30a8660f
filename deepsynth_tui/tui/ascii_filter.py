"""The signs that the interface draws, and their ASCII forms. This is their only declaration.

The filter is the last step before the terminal but one, so that widgets draw as ever and every
line is as wide as before. Letters of texts stay where the encoding of the terminal has them.
"""

from __future__ import annotations

import locale
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from deepsynth_tui.page_thumbnail import BLANK_CELL, DOTS

UNKNOWN = "?"
"""What stands for a character that cannot be shown, once for each of its cells."""

SYMBOLS: dict[str, str] = {
    # Run states and results: each its own, because words may be cut.
    "✓": "+",
    "✗": "!",
    "●": "*",
    "○": "o",
    "◌": ".",
    "◐": "%",
    "◔": "(",
    "■": "#",
    "•": "*",
    # Pointers
    "▸▶►→": ">",
    "◀◂←": "<",
    "▾▼↓": "v",
    "▴▲↑": "^",
    # Patterns of the memory bar, which tell its items apart, and bars in eighths of a cell
    "█": "#",
    "▚": "%",
    "▞": "/",
    "▌▐": "|",
    "▓": "*",
    "▒": "+",
    "▄": "-",
    "░": ".",
    "▉▊▋": "=",
    "▍▎▏▕": "|",
    # Sparklines, from low to high
    "▁▂": "_",
    "▃": ".",
    "▅": "=",
    "▆": "+",
    "▇": "*",
    "▀▔🭶": '"',
    # Frames and lines
    "─━═╌╍┄┅┈┉╴╶╸╺": "-",
    "│┃║╎╏┆┇┊┋╵╷╹╻": "|",
    "┌┍┎┏┐┑┒┓└┕┖┗┘┙┚┛├┝┞┟┠┡┢┣┤┥┦┧┨┩┪┫┬┭┮┯┰┱┲┳┴┵┶┷┸┹┺┻┼┽┾┿╀╁╂╃╄╅╆╇╈╉╊╋": "+",
    "╒╓╔╕╖╗╘╙╚╛╜╝╞╟╠╡╢╣╤╥╦╧╨╩╪╫╬╭╮╯╰": "+",
    "▖▗▘▝▙▛▜▟": "+",
    # Punctuation
    "…⋯": "~",
    "·‧∙⋅": "-",
    "–—−": "-",
    "“”„": '"',
    "‘’‚": "'",
    "×": "x",
    "°": "o",
    "±": "~",
    "µ": "u",
    "⏎↵↩": "|",
}
"""Signs, each of one cell, and the character that stands for all of them."""
_SIGNS = {sign: ascii_form for signs, ascii_form in SYMBOLS.items() for sign in signs}
_SIGN_BLOCKS = ((0x80, 0xBF), (0x2000, 0x2BFF), (0x1F300, 0x1FBFF), (0xE000, 0xF8FF))
"""Blocks of Unicode that hold signs, no letters."""
_ROW_CHARACTERS = {(0, 0): "'", (0, 1): '"', (0, 2): "|", (3, 3): "_", (2, 3): ".", (1, 3): "|"}
"""What a curve looks like that covers these rows of dots of a braille cell, first to last."""


class AsciiFilter(LineFilter):
    """Replaces the signs of drawn lines by their ASCII forms.

    Args:
        encoding: That of the terminal, which decides on letters.
    """

    def __init__(self, encoding: str, *, enabled: bool = True) -> None:
        super().__init__(enabled=enabled)
        self._encoding = encoding

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return `segments`, the same list if they are ASCII already."""
        if all(segment.text.isascii() for segment in segments):
            return segments
        return [
            Segment(to_ascii(text, self._encoding), style, control)
            for text, style, control in segments
        ]


@lru_cache(maxsize=4096)
def to_ascii(text: str, encoding: str = "ascii") -> str:
    """Return a text of the same width without signs; of letters, those that `encoding` has."""
    return text if text.isascii() else "".join(_replaced(text, encoding))


def locale_encoding() -> str:
    """Return the encoding of the user's locale, in which the terminal reads."""
    return locale.getencoding()


def is_utf8(encoding: str) -> bool:
    """Return whether an encoding has every character."""
    return encoding.replace("-", "").replace("_", "").casefold() in ("utf8", "utf8sig")


def _replaced(text: str, encoding: str) -> Iterator[str]:
    for character in text:
        code = ord(character)
        if character.isascii():
            yield character
        elif BLANK_CELL <= code < BLANK_CELL + 256:
            yield _braille(code - BLANK_CELL)
        elif sign := _SIGNS.get(character):
            yield sign
        elif any(first <= code <= last for first, last in _SIGN_BLOCKS) or not _has(
            encoding, character
        ):
            yield UNKNOWN * cell_len(character)
        else:
            yield character


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@lru_cache(maxsize=256)
def _braille(bits: int) -> str:
    """Return the ASCII character that looks most like a braille cell with these dots."""
    rows = [row for bit, (_, row) in enumerate(DOTS) if bits >> bit & 1]
    if not rows:
        return " "
    if len(rows) >= 5:
        return "#"
    return _ROW_CHARACTERS.get((min(rows), max(rows)), "|" if min(rows) == 0 else "-")
