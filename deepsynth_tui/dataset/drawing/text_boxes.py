"""Lines and words of a page with the boxes of their ink, in reading order.

Reading order is that of the text: columns from left to right, lines from the top, and within a line
the order in which it is read, also where it runs from right to left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.blitter import GlyphExtents
from deepsynth_tui.dataset.drawing.line_breaking import IDEOGRAPHIC
from deepsynth_tui.dataset.drawing.measured_text import MeasuredText
from deepsynth_tui.dataset.drawing.pagination import PageLayout

# Interpolation spreads the ink of a rotated page this far, in pixels.
ROTATION_SPREAD = 1


@dataclass(frozen=True, slots=True)
class TextBoxes:
    """Texts, and the box (left, top, right, bottom) of the ink of each: n by 4, int32, in pixels.

    The origin is the top left corner of the page; right and bottom are exclusive. Texts without
    ink are left out.
    """

    texts: tuple[str, ...]
    boxes: NDArray[np.int32]

    def rotated(self, degrees: float, width: int, height: int) -> TextBoxes:
        """Return the boxes on a page of this size rotated counter-clockwise around its centre.

        Each is the smallest upright box around the rotated one.
        """
        if not degrees:
            return self
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        dx = self.boxes[:, [0, 0, 2, 2]] - width / 2
        dy = self.boxes[:, [1, 3, 1, 3]] - height / 2
        x = width / 2 + cosine * dx + sine * dy
        y = height / 2 - sine * dx + cosine * dy
        low = np.floor([x.min(axis=1), y.min(axis=1)]) - ROTATION_SPREAD
        high = np.ceil([x.max(axis=1), y.max(axis=1)]) + ROTATION_SPREAD
        boxes = np.concatenate([low.clip(0), np.minimum(high.T, [width, height]).T])
        return TextBoxes(self.texts, boxes.T.astype(np.int32))


@dataclass(frozen=True, slots=True)
class DrawnGlyphs:
    """The glyphs of a page: the box of the text that each belongs to, and its extents."""

    boxes: NDArray[np.int64]
    extents: GlyphExtents


class PageText:
    """The lines and words of a page of `source`, which was measured as `text`."""

    def __init__(
        self, source: str, text: MeasuredText, page: PageLayout, glyphs: DrawnGlyphs
    ) -> None:
        self._source = source
        self._glyphs = glyphs
        lines = [line.runs for column in page.columns for line in column if line.runs]
        runs = [run for line in lines for run in line]
        # Boxes of the text, in reading order.
        self._boxes = np.concatenate([np.arange(run.first, run.last) for run in runs])
        self._starts = text.starts[self._boxes]
        self._ends = self._starts + text.lengths[self._boxes]
        counts = [sum(run.last - run.first for run in line) for line in lines]
        self._line_firsts = np.cumsum([0, *counts[:-1]])

    def lines(self) -> TextBoxes:
        """Return the lines."""
        return self._grouped(self._line_firsts)

    def words(self) -> TextBoxes:
        """Return the words, which end at white space and at the end of a line.

        Chinese and Japanese have no white space: there each part that stays together on a line is
        a word, which is a character with its punctuation.
        """
        is_first = np.zeros(len(self._boxes), bool)
        is_first[self._line_firsts] = True
        is_first[1:] |= self._starts[1:] != self._ends[:-1]
        inside = np.flatnonzero(~is_first)
        for index, start in zip(inside.tolist(), self._starts[inside].tolist(), strict=True):
            before, after = self._source[start - 1 : start + 1]
            is_first[index] = bool(IDEOGRAPHIC.match(before) or IDEOGRAPHIC.match(after))
        return self._grouped(np.flatnonzero(is_first))

    def _grouped(self, firsts: NDArray[np.int64]) -> TextBoxes:
        """Return the groups of boxes that begin at `firsts`."""
        group_of_glyph = np.searchsorted(self._boxes[firsts], self._glyphs.boxes, side="right") - 1
        order = np.argsort(group_of_glyph, kind="stable")
        groups, first_glyphs = np.unique(group_of_glyph[order], return_index=True)
        extents = self._glyphs.extents
        boxes = np.stack(
            [
                np.minimum.reduceat(extents.left[order], first_glyphs),
                np.minimum.reduceat(extents.top[order], first_glyphs),
                np.maximum.reduceat(extents.right[order], first_glyphs),
                np.maximum.reduceat(extents.bottom[order], first_glyphs),
            ],
            axis=1,
        )
        has_ink = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        groups = groups[has_ink]
        lasts = np.append(firsts[1:], len(self._boxes))[groups] - 1
        starts, ends = self._starts[firsts[groups]].tolist(), self._ends[lasts].tolist()
        texts = tuple([self._source[start:end] for start, end in zip(starts, ends, strict=True)])
        return TextBoxes(texts, boxes[has_ink].astype(np.int32))
