"""Lines and words of a page with the boxes of their ink, in reading order.

Reading order is that of the text: columns from left to right, lines from the top, and within a line
the order in which it is read, also where it runs from right to left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.blitter import GlyphExtents
from deepsynth_tui.dataset.drawing.line_breaking import IDEOGRAPHIC
from deepsynth_tui.dataset.drawing.measured_text import MeasuredText
from deepsynth_tui.dataset.drawing.pagination import PageLayout

# Interpolation spreads the ink of a rotated page this far, in pixels.
ROTATION_SPREAD = 1


class TextBox(NamedTuple):
    """A text, and the box (left, top, right, bottom) of its ink in pixels.

    The origin is the top left corner of the page; right and bottom are exclusive.
    """

    text: str
    bbox: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class TextBoxes:
    """The lines and the words of a page. Those without ink are left out."""

    lines: tuple[TextBox, ...]
    words: tuple[TextBox, ...]

    def rotated(self, degrees: float, width: int, height: int) -> TextBoxes:
        """Return the boxes on the page of this size rotated counter-clockwise around its centre.

        Each is the smallest upright box around the rotated one.
        """
        if not degrees:
            return self
        return TextBoxes(
            tuple(_rotated(self.lines, degrees, width, height)),
            tuple(_rotated(self.words, degrees, width, height)),
        )


@dataclass(frozen=True, slots=True)
class DrawnGlyphs:
    """The glyphs of a page: the box of the text that each belongs to, and its extents."""

    boxes: NDArray[np.int64]
    extents: GlyphExtents


def text_boxes(source: str, text: MeasuredText, page: PageLayout, glyphs: DrawnGlyphs) -> TextBoxes:
    """Return the lines and words of `page`, a page of `source`, which was measured as `text`.

    Words are separated by white space. In Chinese and Japanese, which have none, each part that
    stays together on a line is a word: a character with its punctuation.
    """
    lines = [
        np.concatenate([np.arange(run.first, run.last) for run in line.runs])
        for column in page.columns
        for line in column
        if line.runs
    ]
    boxes = np.concatenate(lines)
    starts = text.starts[boxes]
    ends = starts + text.lengths[boxes]
    line_firsts = np.cumsum([0, *map(len, lines[:-1])])
    is_first = np.zeros(len(boxes), bool)
    is_first[line_firsts] = True
    is_first[1:] |= starts[1:] != ends[:-1]
    for index in np.flatnonzero(~is_first).tolist():
        at = int(starts[index])
        is_first[index] = bool(IDEOGRAPHIC.match(source[at]) or IDEOGRAPHIC.match(source[at - 1]))
    position = np.searchsorted(boxes, glyphs.boxes)
    return TextBoxes(
        tuple(_boxes(source, line_firsts, starts, ends, position, glyphs.extents)),
        tuple(_boxes(source, np.flatnonzero(is_first), starts, ends, position, glyphs.extents)),
    )


def _boxes(
    source: str,
    firsts: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    position: NDArray[np.int64],
    extents: GlyphExtents,
) -> Iterator[TextBox]:
    """Yield the boxes of groups that begin at `firsts`; `position` is the box of each glyph."""
    lasts = np.append(firsts[1:], len(starts)) - 1
    groups = np.searchsorted(firsts, position, side="right") - 1
    far = np.iinfo(np.int64).max
    left, top = np.full(len(firsts), far), np.full(len(firsts), far)
    right, bottom = np.zeros(len(firsts), np.int64), np.zeros(len(firsts), np.int64)
    np.minimum.at(left, groups, extents.left)
    np.minimum.at(top, groups, extents.top)
    np.maximum.at(right, groups, extents.right)
    np.maximum.at(bottom, groups, extents.bottom)
    columns = (starts[firsts], ends[lasts], left, top, right, bottom)
    for start, end, *bbox in zip(*(values.tolist() for values in columns), strict=True):
        if bbox[0] < bbox[2] and bbox[1] < bbox[3]:
            yield TextBox(source[start:end], (bbox[0], bbox[1], bbox[2], bbox[3]))


def _rotated(
    boxes: tuple[TextBox, ...], degrees: float, width: int, height: int
) -> Iterator[TextBox]:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    centre_x, centre_y = width / 2, height / 2
    for text, (left, top, right, bottom) in boxes:
        corners = [(x - centre_x, y - centre_y) for x in (left, right) for y in (top, bottom)]
        x = [centre_x + cosine * dx + sine * dy for dx, dy in corners]
        y = [centre_y - sine * dx + cosine * dy for dx, dy in corners]
        yield TextBox(
            text,
            (
                max(0, math.floor(min(x)) - ROTATION_SPREAD),
                max(0, math.floor(min(y)) - ROTATION_SPREAD),
                min(width, math.ceil(max(x)) + ROTATION_SPREAD),
                min(height, math.ceil(max(y)) + ROTATION_SPREAD),
            ),
        )
