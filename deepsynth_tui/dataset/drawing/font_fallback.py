"""Which font draws a character: the chosen one, or the next that has it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deepsynth_tui.dataset.clean_text import is_invisible
from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_files import find_font, installed_fonts

# Upright Noto fonts of one weight, and two families that cover much of Unicode.
SYSTEM_FONTS = re.compile(
    r"\A(Noto(Sans|Serif|Music|Naskh|Kufi|Color|Emoji)\w*(-Regular)?|DroidSansFallbackFull|unifont)"
    r"\.(ttf|otf|ttc)\Z"
)
ASCII = frozenset(range(0x21, 0x7F))
# What a font's file is called after, where the names of its characters begin with another word.
NAMED_OTHERWISE = {
    "CJK": ("CJK", "Fallback"),
    "HANGUL": ("CJK",),
    "HIRAGANA": ("CJK", "Fallback"),
    "KATAKANA": ("CJK", "Fallback"),
    "BOPOMOFO": ("CJK", "Fallback"),
    "IDEOGRAPHIC": ("CJK", "Fallback"),
    "FULLWIDTH": ("CJK", "Fallback"),
}


class FontStack:
    """The chosen font and, behind it, those that stand in for it.

    What draws a character depends on the character alone, not on what was drawn before: the same
    text gives the same page in every process.
    """

    def __init__(self, font: str, fallback: Sequence[str] | None) -> None:
        """Open `font`. `fallback` None: the Noto fonts of this machine. Raises `FontError`."""
        self.faces: list[Face] = [Face(find_font(font))]
        self.faces += [Face(find_font(name)) for name in fallback or ()]
        self.first_has_ascii = self.first.covered >= ASCII
        self._given = len(self.faces)
        self._system = [] if fallback is not None else _system_fonts()
        self._opened: dict[Path, int] = {}
        self._chosen: dict[str, int | None] = {}

    @property
    def first(self) -> Face:
        """The chosen font."""
        return self.faces[0]

    def covering(self, cluster: str) -> int | None:
        """Return the number of the first face that has all of `cluster`, None if there is none.

        Characters that leave no ink are asked of no font.
        """
        if cluster not in self._chosen:
            needed = {ord(character) for character in cluster if not is_invisible(character)}
            self._chosen[cluster] = next(
                (one for one in self._candidates(needed) if needed <= self.faces[one].covered), None
            )
        return self._chosen[cluster]

    def _candidates(self, needed: set[int]) -> Iterator[int]:
        yield from range(self._given)
        words = _words(needed)
        yield from map(
            self._open,
            sorted(self._system, key=lambda path: not any(word in path.name for word in words)),
        )

    def _open(self, path: Path) -> int:
        if path not in self._opened:
            self._opened[path] = len(self.faces)
            self.faces.append(Face(path))
        return self._opened[path]


def _system_fonts() -> list[Path]:
    """Return the fonts to fall back on, Sans before others, each name once."""
    found = {path.name: path for path in installed_fonts() if SYSTEM_FONTS.match(path.name)}
    return sorted(found.values(), key=lambda path: ("Sans" not in path.name, path.name))


def _words(needed: Iterable[int]) -> list[str]:
    """Return what the file of a font for `needed` may have in its name."""
    names = [unicodedata.name(chr(code), "").split(" ")[0].split("-")[0] for code in needed]
    return [word for name in names for word in NAMED_OTHERWISE.get(name, (name.title(),))]
