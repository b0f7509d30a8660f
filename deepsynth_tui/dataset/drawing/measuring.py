"""A text as boxes: what must stay together on a line, with the place and width of each.

Lengths are multiples of the font size, so that a text is measured once and laid out at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing import bidi
from deepsynth_tui.dataset.drawing.segmenting import (
    LINE_END,
    SPACES,
    WORD_AND_SPACES,
    clusters,
    parts,
)
from deepsynth_tui.dataset.drawing.shaping import CONTEXT, Shapes

# Of a font that has none: a quarter of its size, as in most.
SPACE_WIDTH = 0.25


class Run(NamedTuple):
    """Boxes `first` to `last` of a paragraph that no tab parts.

    Before them go `tabs`, then `indent`, the width of the spaces at the beginning.
    """

    first: int
    last: int
    tabs: int
    indent: float


class Paragraph(NamedTuple):
    """Characters from `start` to the next paragraph. `base` is its level: odd is leftward."""

    start: int
    runs: tuple[Run, ...]
    base: int = 0
    reorders: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A text cut into boxes.

    Of box i: `starts[i]` is the place of its first character, `shapes[i]` its shape, `left[i]` and
    `right[i]` where it begins and ends on an endless line, `gaps[i]` the white space after it,
    `lengths[i]` how many characters it holds. It is in `glued` where it must stay on the line of
    the box before it. In paragraphs that may reorder, `levels[i]` is its direction and
    `gap_levels[i]` that of its gap.
    """

    length: int
    paragraphs: tuple[Paragraph, ...]
    starts: list[int]
    shapes: NDArray[np.int64]
    left: list[float]
    right: list[float]
    gaps: list[float]
    glued: set[int]
    levels: dict[int, int]
    gap_levels: dict[int, int]
    space: float
    lengths: NDArray[np.int64]

    def paragraph_widths(self) -> NDArray[np.float64]:
        """Return how long each paragraph with ink would be on one line, leaving out indentation."""
        return np.array(
            [
                self.right[one.runs[-1].last - 1] - self.left[one.runs[0].first]
                for one in self.paragraphs
                if one.runs and one.runs[0].first < one.runs[-1].last
            ]
        )


class Measurer:
    """Measures texts with the shapes of one stack of fonts."""

    def __init__(self, shapes: Shapes, longest: float) -> None:
        """`longest` is the width from which on a word is cut into what a line may break."""
        self._shapes = shapes
        self._longest = longest
        self._whole: set[str] = set()
        self._spaces: dict[str, float] = {"": 0.0}

    def measure(self, text: str) -> Measured:
        """Cut `text` into boxes."""
        if self._shapes.make_room():
            self._whole.clear()
        boxes = _Boxes()
        paragraphs = []
        place = 0
        pieces = LINE_END.split(text)
        for paragraph, line_end in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
            if paragraph or line_end:
                reorders = not paragraph.isascii() and bidi.may_reorder(paragraph)
                cut = self._right_to_left if reorders else self._left_to_right
                paragraphs.append(cut(paragraph, place, boxes))
            place += len(paragraph) + len(line_end)
        shapes = np.array(boxes.shapes, np.int64)
        widths = self._shapes.widths.values[shapes]
        steps = widths + np.array(boxes.gaps)
        left = np.cumsum(steps) - steps
        return Measured(
            length=len(text),
            paragraphs=tuple(paragraphs),
            starts=boxes.starts,
            shapes=shapes,
            left=left.tolist(),
            right=(left + widths).tolist(),
            gaps=boxes.gaps,
            glued=boxes.glued,
            levels=boxes.levels,
            gap_levels=boxes.gap_levels,
            space=self._space(" "),
            lengths=np.array(boxes.lengths, np.int64),
        )

    def _left_to_right(self, paragraph: str, start: int, boxes: _Boxes) -> Paragraph:
        runs = []
        place, tabs = start, 0
        for piece in paragraph.split("\t"):
            indent = piece[: len(piece) - len(piece.lstrip(SPACES))]
            found = WORD_AND_SPACES.findall(piece, len(indent))
            first = len(boxes.shapes)
            self._add(found, place + len(indent), boxes)
            if found or indent:
                runs.append(Run(first, len(boxes.shapes), tabs, self._space(indent)))
                tabs = 0
            tabs += 1
            place += len(piece) + 1
        return Paragraph(start, tuple(runs))

    def _add(self, found: list[tuple[str, str]], start: int, boxes: _Boxes) -> None:
        """Add words and the spaces after them, the first of which stands at `start`."""
        if not found:
            return
        words, spaces = map(list, zip(*found, strict=True))
        known = self._spaces
        gaps = [known[one] if one in known else self._space(one) for one in spaces]
        lengths = [len(word) for word in words]
        places = list(accumulate(map(add, lengths, map(len, spaces)), initial=start))
        if self._whole.issuperset(words):
            boxes.add(self._shapes.numbers(words), places[:-1], gaps, lengths)
            return
        begin = 0
        for index in [i for i, word in enumerate(words) if word not in self._whole]:
            if self._is_whole(words[index]):
                continue
            plain = slice(begin, index)
            boxes.add(
                self._shapes.numbers(words[plain]), places[plain], gaps[plain], lengths[plain]
            )
            self._add_parts(words[index], places[index], boxes)
            boxes.gaps[-1] = gaps[index]
            begin = index + 1
        plain = slice(begin, len(words))
        boxes.add(self._shapes.numbers(words[plain]), places[plain], gaps[plain], lengths[plain])

    def _is_whole(self, word: str) -> bool:
        """Return whether `word` is one box, and remember it."""
        whole = len(parts(word)) == 1 and not self._is_long(self._shapes.number(word))
        if whole:
            self._whole.add(word)
        return whole

    def _is_long(self, shape: int) -> bool:
        return self._shapes.widths.values[shape] > self._longest

    def _add_parts(self, word: str, place: int, boxes: _Boxes) -> None:
        """Add a word that may be broken; what is too long for any line cluster by cluster."""
        for part in parts(word):
            number = self._shapes.number(part)
            if self._is_long(number):
                self._add_clusters(part, place, boxes, level=0, glued=False)
            else:
                boxes.add_one(number, place, len(part))
            place += len(part)

    def _add_clusters(
        self, part: str, place: int, boxes: _Boxes, *, level: int, glued: bool
    ) -> None:
        begin = 0
        for cluster in clusters(part):
            end = begin + len(cluster)
            number = self._shapes.shape(
                cluster,
                leftward=level % 2 == 1,
                before=part[max(0, begin - CONTEXT) : begin],
                after=part[end : end + CONTEXT],
            )
            boxes.add_one(
                number, place + begin, len(cluster), glued=glued or begin > 0, level=level
            )
            begin = end

    def _right_to_left(self, paragraph: str, start: int, boxes: _Boxes) -> Paragraph:
        """Cut a paragraph in which words may run either way."""
        base, levels = bidi.levels(paragraph)
        runs = []
        place, tabs = 0, 0
        for piece in paragraph.split("\t"):
            indent = piece[: len(piece) - len(piece.lstrip(SPACES))]
            first = len(boxes.shapes)
            for match in WORD_AND_SPACES.finditer(piece, len(indent)):
                self._add_mixed(match[1], place + match.start(), start, levels, boxes)
                boxes.gaps[-1] = self._space(match[2])
                gap_level = levels[place + match.start(2)] if match[2] else base
                boxes.gap_levels[len(boxes.shapes) - 1] = gap_level
            if len(boxes.shapes) > first or indent:
                runs.append(Run(first, len(boxes.shapes), tabs, self._space(indent)))
                tabs = 0
            tabs += 1
            place += len(piece) + 1
        return Paragraph(start, tuple(runs), base, reorders=True)

    def _add_mixed(
        self, word: str, place: int, start: int, levels: list[int], boxes: _Boxes
    ) -> None:
        """Add a word part by part, each part in one direction."""
        at, glued = 0, False
        for part in parts(word):
            begin = 0
            for end in range(1, len(part) + 1):
                level = levels[place + at + begin]
                if end < len(part) and levels[place + at + end] == level:
                    continue
                piece = part[begin:end]
                where = start + place + at + begin
                number = self._shapes.number(piece, leftward=level % 2 == 1)
                if self._is_long(number):
                    self._add_clusters(piece, where, boxes, level=level, glued=glued)
                else:
                    boxes.add_one(number, where, len(piece), glued=glued, level=level)
                begin, glued = end, True
            at, glued = at + len(part), False

    def _space(self, spaces: str) -> float:
        width = self._spaces.get(spaces)
        if width is None:
            width = self._spaces[spaces] = sum(map(self._one_space, spaces))
        return width

    def _one_space(self, space: str) -> float:
        fonts = self._shapes.fonts
        if space == "\u200b":
            return 0.0
        if ord(space) not in fonts.first.covered:
            if space == " ":
                return SPACE_WIDTH
            # The ideographic one is as wide as an ideograph, any other as a space.
            return 1.0 if space == "\N{IDEOGRAPHIC SPACE}" else self._space(" ")
        return float(fonts.first.shape(space, leftward=False)[3])


class _Boxes:
    """Boxes under construction: one list for each thing to know of them."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.shapes: list[int] = []
        self.gaps: list[float] = []
        self.glued: set[int] = set()
        self.levels: dict[int, int] = {}
        self.gap_levels: dict[int, int] = {}
        self.lengths: list[int] = []

    def add(
        self, shapes: list[int], starts: list[int], gaps: list[float], lengths: list[int]
    ) -> None:
        self.shapes += shapes
        self.starts += starts
        self.gaps += gaps
        self.lengths += lengths

    def add_one(
        self, shape: int, start: int, length: int, *, glued: bool = False, level: int = 0
    ) -> None:
        number = len(self.shapes)
        if glued:
            self.glued.add(number)
        self.levels[number] = self.gap_levels[number] = level
        self.add([shape], [start], [0.0], [length])
