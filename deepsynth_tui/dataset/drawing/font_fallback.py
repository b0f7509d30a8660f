"""Font fallback: which font draws each character, and the split of a word into font runs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_files import find_font
from deepsynth_tui.dataset.drawing.line_breaking import grapheme_clusters
from deepsynth_tui.dataset.drawing.system_fonts import (
    EMOJI_SEQUENCE,
    TEXT_PRESENTATION,
    in_order_for,
    is_emoji_font,
    system_fonts,
)

ASCII = frozenset(range(0x21, 0x7F))


class FontStack:
    """The chosen font followed by its fallback fonts.

    Which face draws a cluster depends on the cluster and the language of the text, not on what was
    drawn before, so the same text gives the same page in every process.
    """

    def __init__(self, font: str, fallback: Sequence[str] | None) -> None:
        """Open `font` and `fallback`; None falls back on the installed Noto fonts.

        Raises `FontError`.
        """
        self.faces: list[Face] = [Face(find_font(font))]
        self.faces += [Face(find_font(name)) for name in fallback or ()]
        self.primary_has_ascii = self.primary.codepoints >= ASCII
        self._configured = len(self.faces)
        self._system_fonts = [] if fallback is not None else system_fonts()
        self._opened: dict[Path, int] = {}
        self._face_of_cluster: dict[tuple[str, str | None], int | None] = {}

    @property
    def primary(self) -> Face:
        """The chosen font."""
        return self.faces[0]

    def face_for(self, cluster: str, language: str | None = None) -> int | None:
        """Return the index of the first face that can draw all of `cluster`, None if no font can.

        `language` (BCP 47) is that of the Chinese, Japanese and Korean characters of the text.
        Faces for emoji come first for an emoji sequence.
        """
        key = cluster, language
        if key not in self._face_of_cluster:
            self._face_of_cluster[key] = next(
                (face for face in self._candidates(*key) if not self.faces[face].lacks(cluster)),
                None,
            )
        return self._face_of_cluster[key]

    def _candidates(self, cluster: str, language: str | None) -> Iterator[int]:
        configured = range(self._configured)
        if EMOJI_SEQUENCE.search(cluster) and TEXT_PRESENTATION not in cluster:
            yield from (face for face in configured if self.faces[face].is_emoji)
            yield from map(self._open, filter(is_emoji_font, self._system_fonts))
        yield from configured
        yield from map(self._open, in_order_for(cluster, language, self._system_fonts))

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


def font_runs(word: str, fonts: FontStack, language: str | None = None) -> Iterator[FontRun]:
    """Split `word` into runs of one face (itemization). Clusters are never split."""
    if word.isascii() and fonts.primary_has_ascii:
        yield FontRun(0, 0, word, "")
        return
    start, text, run_face, run_missing = 0, "", 0, ""
    for cluster in grapheme_clusters(word):
        face, missing = fonts.face_for(cluster, language), ""
        if face is None:
            # No face can draw the whole cluster: take the one that has its base character.
            face = fonts.face_for(cluster[0], language) or 0
            missing = fonts.faces[face].lacks(cluster)
        if text and (face != run_face or unicodedata.combining(cluster[0])):
            yield FontRun(run_face, start, text, run_missing)
            start, text, run_missing = start + len(text), "", ""
        text, run_face, run_missing = text + cluster, face, run_missing + missing
    yield FontRun(run_face, start, text, run_missing)
