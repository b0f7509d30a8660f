"""Words to glyphs, each word once.

HarfBuzz shapes a word in a few microseconds, reading its answer takes as long again, and most
words of a text were in the text before: so shapes are kept. All of them lie one after the other
in a few arrays, so that the glyphs of a page are gathered without a loop.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.clean_text import is_invisible
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.line_breaking import clusters

# Shapes and glyphs kept at most, about 60 and 12 bytes each; then all are forgotten.
MOST_SHAPES = 100_000
MOST_GLYPHS = 1_000_000
# As many neighbours on either side HarfBuzz looks at.
CONTEXT = 5
DOTTED_CIRCLE = "\N{DOTTED CIRCLE}"


class Growing:
    """An array that is appended to; `room` is how many values it has memory for at first."""

    def __init__(self, dtype: type[np.generic], room: int = 1024) -> None:
        self._room = np.empty(room, dtype)
        self.size = 0

    @property
    def values(self) -> NDArray:
        """What was appended so far."""
        return self._room[: self.size]

    def extend(self, values: object) -> None:
        """Append `values`, a sequence of numbers."""
        new = np.asarray(values, self._room.dtype)
        if self.size + len(new) > len(self._room):
            self._room = np.concatenate(
                [self.values, np.empty(max(self.size, len(new)), self._room.dtype)]
            )
        self._room[self.size : self.size + len(new)] = new
        self.size += len(new)


@dataclass(frozen=True, slots=True)
class Placed:
    """Glyphs on a page: their number and their place, in pixels right of and below the corner."""

    glyphs: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """Part of a word in one face; `missing` are the characters that it does not have."""

    face: int
    start: int
    text: str
    missing: str


class Shapes:
    """The shapes of words of one language in one stack of fonts, by number.

    `language` is that of ideographs, None for texts without any. Lengths are in font sizes.
    """

    def __init__(self, fonts: FontStack, language: str | None = None) -> None:
        self.fonts = fonts
        self._language = language
        # (face, glyph of that face), by the number that `Placed` has.
        self.glyphs: list[tuple[int, int]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._forget()

    def _forget(self) -> None:
        self._rightward: dict[str, int] = {}
        self._leftward: dict[str, int] = {}
        # Characters that no font has, by the number of the shape they are in.
        self.missing: dict[int, str] = {}
        # The faces of shapes that the chosen font does not draw alone.
        self._faces: dict[int, frozenset[int]] = {}
        self.widths = Growing(np.float64)
        self._first = Growing(np.int64)
        self._count = Growing(np.int64)
        self._glyph = Growing(np.int32)
        self._x = Growing(np.float32)
        self._y = Growing(np.float32)

    def make_room(self) -> bool:
        """Forget all shapes where they have become many: their numbers are void then."""
        full = self.widths.size > MOST_SHAPES or self._glyph.size > MOST_GLYPHS
        if full:
            self._forget()
        return full

    def number(self, word: str, *, leftward: bool = False) -> int:
        """Return the shape of `word`."""
        known = self._leftward if leftward else self._rightward
        found = known.get(word)
        if found is None:
            found = known[word] = self.shape(word, leftward=leftward)
        return found

    def shape(self, word: str, *, leftward: bool = False, before: str = "", after: str = "") -> int:
        """Shape `word` anew; `before` and `after` are what it may join with."""
        glyphs: list[int] = []
        across: list[float] = []
        up: list[float] = []
        pen = 0.0
        missing = ""
        runs = list(self._runs(word))
        for run in reversed(runs) if leftward else runs:
            face = self.fonts.faces[run.face]
            if run.missing:
                missing += run.missing
            # As a mark without a letter is shown (Unicode, 5.13).
            carrier = DOTTED_CIRCLE if unicodedata.combining(run.text[0]) else ""
            shaped, x, y, width = face.shape(
                carrier + run.text,
                leftward=leftward,
                before=word[max(0, run.start - CONTEXT) : run.start] or before,
                after=word[run.start + len(run.text) :][:CONTEXT] or after,
                language=self._language,
            )
            glyphs += [self._number(run.face, glyph) for glyph in shaped]
            across += [pen + one for one in x]
            up += y
            pen += width
        number = self.widths.size
        if missing:
            self.missing[number] = missing
        faces = frozenset(run.face for run in runs)
        if faces != {0}:
            self._faces[number] = faces
        self._first.extend([self._glyph.size])
        self._count.extend([len(glyphs)])
        self.widths.extend([pen])
        self._glyph.extend(glyphs)
        self._x.extend(across)
        self._y.extend(up)
        return number

    def gather(
        self, shapes: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64], size: int
    ) -> Placed:
        """Return the glyphs of `shapes`, whose pens start at `x` and `y` pixels."""
        counts = self._count.values[shapes]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        places = np.arange(total) + np.repeat(self._first.values[shapes] - ends + counts, counts)
        return Placed(
            self._glyph.values[places],
            np.repeat(x, counts) + self._x.values[places] * size,
            np.repeat(y, counts) - self._y.values[places] * size,
        )

    def faces(self, shapes: NDArray[np.int64]) -> set[int]:
        """Return the faces that draw `shapes`."""
        if not self._faces:
            return {0} if len(shapes) else set()
        used = set(shapes.tolist())
        others = self._faces.keys() & used
        first = {0} if len(others) < len(used) else set()
        return first.union(*(self._faces[one] for one in others))

    def _number(self, face: int, glyph: int) -> int:
        key = face, glyph
        if key not in self._numbers:
            self._numbers[key] = len(self.glyphs)
            self.glyphs.append(key)
        return self._numbers[key]

    def _runs(self, word: str) -> Iterator[Run]:
        """Yield the parts of `word` that one face draws."""
        if word.isascii() and self.fonts.first_has_ascii:
            yield Run(0, 0, word, "")
            return
        start, text, face, missing = 0, "", 0, ""
        for cluster in clusters(word):
            found = self.fonts.covering(cluster)
            lacking = ""
            if found is None:
                found, lacking = self._best(cluster)
            if text and (found != face or unicodedata.combining(cluster[0])):
                yield Run(face, start, text, missing)
                start, text, missing = start + len(text), "", ""
            text, face, missing = text + cluster, found, missing + lacking
        yield Run(face, start, text, missing)

    def _best(self, cluster: str) -> tuple[int, str]:
        """Return the face of the base of a cluster that no face has whole, and what it lacks."""
        face = self.fonts.covering(cluster[0]) or 0
        covered = self.fonts.faces[face].covered
        return face, "".join(c for c in cluster if ord(c) not in covered and not is_invisible(c))
