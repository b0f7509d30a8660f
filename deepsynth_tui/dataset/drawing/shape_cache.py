"""A cache of shaped words.

HarfBuzz shapes a word in a few microseconds, reading its result from Python takes as long again,
and most words of a text have occurred before: so each word is shaped once. All shapes are stored
one after the other in a few arrays, and the glyphs of a page are gathered without a Python loop.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.font_fallback import FontStack, font_runs
from deepsynth_tui.dataset.drawing.growable_array import GrowableArray
from deepsynth_tui.dataset.drawing.missing_glyphs import MissingGlyphs

# Limits of the cache, at about 60 and 12 bytes per entry; beyond them it is cleared.
MAX_SHAPES = 100_000
MAX_GLYPHS = 1_000_000
# HarfBuzz looks at this many neighbouring characters on either side.
CONTEXT = 5
DOTTED_CIRCLE = "\N{DOTTED CIRCLE}"


@dataclass(frozen=True, slots=True)
class PositionedGlyphs:
    """Glyph ids and pen positions on a page, in pixels right of and below the top left corner."""

    glyphs: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


class ShapeCache:
    """Shapes of words in one font stack, by shape id. Lengths are in em.

    `language` is that of Chinese, Japanese and Korean characters, None for texts without any.
    """

    def __init__(self, fonts: FontStack, language: str | None = None) -> None:
        self.fonts = fonts
        self._language = language
        # Glyph id -> (face, glyph of that face).
        self.glyphs: list[tuple[int, int]] = []
        self._glyph_ids: dict[tuple[int, int], int] = {}
        self._clear()

    def _clear(self) -> None:
        self._ltr_ids: dict[str, int] = {}
        self._rtl_ids: dict[str, int] = {}
        self._missing = MissingGlyphs()
        # Faces of the shapes that the primary font does not draw alone.
        self._fallback_faces: dict[int, frozenset[int]] = {}
        self.advances = GrowableArray(np.float64)
        # Of each shape: its first glyph and its number of glyphs.
        self._first_glyph = GrowableArray(np.int64)
        self._glyph_count = GrowableArray(np.int64)
        # Of each glyph of all shapes: its id and position.
        self._glyph = GrowableArray(np.int32)
        self._x = GrowableArray(np.float32)
        self._y = GrowableArray(np.float32)

    def clear_if_full(self) -> bool:
        """Clear a full cache, which invalidates all shape ids; return whether it was cleared."""
        full = self.advances.size > MAX_SHAPES or self._glyph.size > MAX_GLYPHS
        if full:
            self._clear()
        return full

    def shape_id(self, word: str, *, rtl: bool = False) -> int:
        """Return the shape of `word`, shaping it on first use."""
        ids = self._rtl_ids if rtl else self._ltr_ids
        shape = ids.get(word)
        if shape is None:
            shape = ids[word] = self.add_shape(word, rtl=rtl)
        return shape

    def add_shape(
        self, word: str, *, rtl: bool = False, pre_context: str = "", post_context: str = ""
    ) -> int:
        """Shape `word`, whose letters may join with the context around it; return its id."""
        glyphs: list[int] = []
        x: list[float] = []
        y: list[float] = []
        pen = 0.0
        missing = ""
        runs = list(font_runs(word, self.fonts, self._language))
        for run in reversed(runs) if rtl else runs:
            missing += run.missing
            # A combining mark without a base is shown on a dotted circle (Unicode, 5.13).
            base = DOTTED_CIRCLE if unicodedata.combining(run.text[0]) else ""
            shaped = self.fonts.faces[run.face].shape(
                base + run.text,
                rtl=rtl,
                pre_context=word[max(0, run.start - CONTEXT) : run.start] or pre_context,
                post_context=word[run.start + len(run.text) :][:CONTEXT] or post_context,
                language=self._language,
            )
            glyphs += [self._glyph_id(run.face, glyph) for glyph in shaped.glyphs]
            x += [pen + offset for offset in shaped.x]
            y += shaped.y
            pen += shaped.advance
        shape = self.advances.size
        if missing:
            self._missing.add(shape, missing)
        faces = frozenset(run.face for run in runs)
        if faces != {0}:
            self._fallback_faces[shape] = faces
        self._first_glyph.extend([self._glyph.size])
        self._glyph_count.extend([len(glyphs)])
        self.advances.extend([pen])
        self._glyph.extend(glyphs)
        self._x.extend(x)
        self._y.extend(y)
        return shape

    def position_glyphs(
        self, shapes: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64], size: int
    ) -> PositionedGlyphs:
        """Return the glyphs of `shapes`, whose pens start at `x` and `y` pixels."""
        counts = self._glyph_count.values[shapes]
        ends = counts.cumsum()
        total = int(ends[-1]) if len(ends) else 0
        first_glyphs = self._first_glyph.values[shapes]
        indices = np.arange(total) + (first_glyphs - ends + counts).repeat(counts)
        return PositionedGlyphs(
            self._glyph.values[indices],
            x.repeat(counts) + self._x.values[indices] * size,
            y.repeat(counts) - self._y.values[indices] * size,
        )

    def glyph_counts(self, shapes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of glyphs of each of `shapes`."""
        return self._glyph_count.values[shapes]

    def missing_glyphs(self, shapes: NDArray[np.int64]) -> Counter[str]:
        """Return how often each character without a glyph occurs in `shapes`."""
        return self._missing.count(shapes)

    def faces_of(self, shapes: NDArray[np.int64]) -> set[int]:
        """Return the faces that draw `shapes`."""
        if not self._fallback_faces:
            return {0} if len(shapes) else set()
        used = set(shapes.tolist())
        with_fallback = self._fallback_faces.keys() & used
        primary = {0} if len(with_fallback) < len(used) else set()
        return primary.union(*(self._fallback_faces[shape] for shape in with_fallback))

    def _glyph_id(self, face: int, glyph: int) -> int:
        key = face, glyph
        if key not in self._glyph_ids:
            self._glyph_ids[key] = len(self.glyphs)
            self.glyphs.append(key)
        return self._glyph_ids[key]
