"""Font fallback: which font draws each character, and the split of a word into font runs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.dataset.clean_text import is_invisible
from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_files import find_font, installed_fonts
from deepsynth_tui.dataset.drawing.line_breaking import grapheme_clusters
from deepsynth_tui.dataset.drawing.missing_glyphs import characters_without_glyph

# Upright Noto fonts of regular weight, and two families that cover much of Unicode.
SYSTEM_FONTS = re.compile(
    r"\A(Noto(Sans|Serif|Music|Naskh|Kufi|Color|Emoji)\w*(-Regular)?|DroidSansFallbackFull|unifont)"
    r"\.(ttf|otf|ttc)\Z"
)
ASCII = frozenset(range(0x21, 0x7F))
# First word of a Unicode character name -> words in the file names of fonts that cover it, where
# the two differ.
FILE_NAME_WORDS = {
    "CJK": ("CJK", "Fallback"),
    "HANGUL": ("CJK",),
    "HIRAGANA": ("CJK", "Fallback"),
    "KATAKANA": ("CJK", "Fallback"),
    "BOPOMOFO": ("CJK", "Fallback"),
    "IDEOGRAPHIC": ("CJK", "Fallback"),
    "FULLWIDTH": ("CJK", "Fallback"),
}


class FontStack:
    """The chosen font followed by its fallback fonts.

    Which face draws a cluster depends on the cluster alone, not on what was drawn before, so the
    same text gives the same page in every process.
    """

    def __init__(self, font: str, fallback: Sequence[str] | None) -> None:
        """Open `font` and `fallback`; None falls back on the installed Noto fonts.

        Raises `FontError`.
        """
        self.faces: list[Face] = [Face(find_font(font))]
        self.faces += [Face(find_font(name)) for name in fallback or ()]
        self.primary_has_ascii = self.primary.codepoints >= ASCII
        self._configured = len(self.faces)
        self._system_fonts = [] if fallback is not None else _system_fonts()
        self._opened: dict[Path, int] = {}
        self._face_of_cluster: dict[str, int | None] = {}

    @property
    def primary(self) -> Face:
        """The chosen font."""
        return self.faces[0]

    def face_for(self, cluster: str) -> int | None:
        """Return the index of the first face with glyphs for all of `cluster`, None if no font has.

        Invisible characters need no glyph.
        """
        if cluster not in self._face_of_cluster:
            needed = {ord(character) for character in cluster if not is_invisible(character)}
            self._face_of_cluster[cluster] = next(
                (
                    face
                    for face in self._candidates(needed)
                    if needed <= self.faces[face].codepoints
                ),
                None,
            )
        return self._face_of_cluster[cluster]

    def _candidates(self, needed: set[int]) -> Iterator[int]:
        yield from range(self._configured)
        words = _file_name_words(needed)
        yield from map(
            self._open,
            sorted(
                self._system_fonts, key=lambda path: not any(word in path.name for word in words)
            ),
        )

    def _open(self, path: Path) -> int:
        if path not in self._opened:
            self._opened[path] = len(self.faces)
            self.faces.append(Face(path))
        return self._opened[path]


@dataclass(frozen=True, slots=True)
class FontRun:
    """A part of a word that one face draws; `missing` are its characters without a glyph."""

    face: int
    start: int
    text: str
    missing: str


def font_runs(word: str, fonts: FontStack) -> Iterator[FontRun]:
    """Split `word` into runs of one face (itemization). Clusters are never split."""
    if word.isascii() and fonts.primary_has_ascii:
        yield FontRun(0, 0, word, "")
        return
    start, text, run_face, run_missing = 0, "", 0, ""
    for cluster in grapheme_clusters(word):
        face, missing = fonts.face_for(cluster), ""
        if face is None:
            # No face has the whole cluster: take the one that has its base character.
            face = fonts.face_for(cluster[0]) or 0
            missing = characters_without_glyph(fonts.faces[face], cluster)
        if text and (face != run_face or unicodedata.combining(cluster[0])):
            yield FontRun(run_face, start, text, run_missing)
            start, text, run_missing = start + len(text), "", ""
        text, run_face, run_missing = text + cluster, face, run_missing + missing
    yield FontRun(run_face, start, text, run_missing)


def _system_fonts() -> list[Path]:
    """Return the installed fallback fonts, Sans first, each file name once."""
    by_name = {path.name: path for path in installed_fonts() if SYSTEM_FONTS.match(path.name)}
    return sorted(by_name.values(), key=lambda path: ("Sans" not in path.name, path.name))


def _file_name_words(codepoints: Iterable[int]) -> list[str]:
    """Return words that the file name of a font for `codepoints` may contain."""
    names = [unicodedata.name(chr(code), "").split(" ")[0].split("-")[0] for code in codepoints]
    return [word for name in names for word in FILE_NAME_WORDS.get(name, (name.title(),))]
