"""A text as boxes: what must stay together on a line, with the place and width of each.

Lengths are multiples of the font size, so that a text is measured once and laid out at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing import bidi
from deepsynth_tui.dataset.drawing.line_breaking import (
    SPACES,
    UNSPACED,
    WORD_AND_SPACES,
    clusters,
    paragraphs,
    parts,
)
from deepsynth_tui.dataset.drawing.shape_cache import CONTEXT, Shapes
from deepsynth_tui.dataset.drawing.shaped_words import Piece, Pieces

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
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    gaps: NDArray[np.float64]
    lengths: NDArray[np.int64]
    glued: frozenset[int]
    levels: dict[int, int]
    gap_levels: dict[int, int]
    space: float

    def paragraph_widths(self) -> NDArray[np.float64]:
        """Return how long each paragraph with ink would be on one line, leaving out indentation."""
        inked = [
            one.runs
            for one in self.paragraphs
            if one.runs and one.runs[0].first < one.runs[-1].last
        ]
        firsts = [runs[0].first for runs in inked]
        lasts = [runs[-1].last - 1 for runs in inked]
        return self.right[lasts] - self.left[firsts] if inked else np.empty(0)


class Measurer:
    """Measures texts with the shapes of one stack of fonts."""

    def __init__(self, shapes: Shapes, longest: float) -> None:
        """`longest` is the width from which on a word is cut into what a line may break."""
        self._shapes = shapes
        self._longest = longest
        self._spaces: dict[str, float] = {"": 0.0}
        self._forget()

    def _forget(self) -> None:
        self._pieces = Pieces()
        # By a word and the white space after it: its piece, or its pieces where it has several.
        self._whole: dict[str, int] = {}
        self._divided: dict[str, list[int]] = {}

    def measure(self, text: str) -> Measured:
        """Cut `text` into boxes."""
        if self._shapes.make_room() or self._pieces.are_many:
            self._forget()
        boxes = _Boxes()
        found = []
        place = 0
        for paragraph, line_end in paragraphs(text):
            if paragraph or line_end:
                reorders = not paragraph.isascii() and bidi.may_reorder(paragraph)
                cut = self._right_to_left if reorders else self._left_to_right
                found.append(cut(paragraph, place, boxes))
            place += len(paragraph) + line_end
        return self._measured(len(text), tuple(found), boxes)

    def _measured(self, length: int, paragraphs: tuple[Paragraph, ...], boxes: _Boxes) -> Measured:
        of = self._pieces.of(boxes.pieces)
        widths = self._shapes.widths.values[of.shapes]
        left = _running(widths + of.gaps)
        # Counted from the run's first box on: what is between runs belongs to no box.
        places = _running(of.spans)
        runs = np.array(boxes.runs, np.int64).reshape(-1, 2)
        firsts, begins = runs[:, 0], runs[:, 1]
        counts = np.diff(firsts, append=len(places))
        return Measured(
            length=length,
            paragraphs=paragraphs,
            starts=places + np.repeat(begins - places[firsts], counts),
            shapes=of.shapes,
            left=left,
            right=left + widths,
            gaps=of.gaps,
            lengths=of.lengths,
            glued=frozenset(np.flatnonzero(of.glued).tolist()),
            levels=boxes.levels,
            gap_levels=boxes.gap_levels,
            space=self._space(" "),
        )

    def _left_to_right(self, paragraph: str, start: int, boxes: _Boxes) -> Paragraph:
        runs = []
        place, tabs = start, 0
        for piece in paragraph.split("\t"):
            indent = len(piece) - len(piece.lstrip(SPACES))
            first = len(boxes.pieces)
            if found := WORD_AND_SPACES.findall(piece, indent):
                boxes.runs.append((first, place + indent))
                try:
                    boxes.pieces += [self._whole[word] for word in found]
                except KeyError:
                    for word in found:
                        boxes.pieces += self._of_word(word)
            if piece:
                indentation = self._space(piece[:indent])
                runs.append(Run(first, len(boxes.pieces), tabs, indentation))
                tabs = 0
            tabs += 1
            place += len(piece) + 1
        return Paragraph(start, tuple(runs))

    def _of_word(self, word: str) -> list[int]:
        """Return the pieces of a word and the white space after it."""
        if word in self._whole:
            return [self._whole[word]]
        if word in self._divided:
            return self._divided[word]
        bare = word.rstrip(SPACES)
        found: list[Piece] = []
        for part in parts(bare):
            number = self._shapes.number(part)
            found += self._of_part(part, number, leftward=False, glued=False)
        found[-1] = self._before(found[-1], word[len(bare) :])
        numbers = [self._pieces.number(one) for one in found]
        if len(numbers) == 1:
            self._whole[word] = numbers[0]
        else:
            self._divided[word] = numbers
        return numbers

    def _of_part(self, part: str, shape: int, *, leftward: bool, glued: bool) -> list[Piece]:
        """Return what a line may not break; cluster by cluster where it is too long for any."""
        if self._shapes.widths.values[shape] <= self._longest:
            return [Piece(shape, len(part), glued)]
        found: list[Piece] = []
        begin = 0
        for cluster in clusters(part):
            end = begin + len(cluster)
            number = self._shapes.shape(
                cluster,
                leftward=leftward,
                before=part[max(0, begin - CONTEXT) : begin],
                after=part[end : end + CONTEXT],
            )
            stays = glued or begin > 0
            found.append(Piece(number, len(cluster), stays and not UNSPACED.match(cluster)))
            begin = end
        return found

    def _before(self, piece: Piece, spaces: str) -> Piece:
        return piece._replace(gap=self._space(spaces), gap_length=len(spaces))

    def _right_to_left(self, paragraph: str, start: int, boxes: _Boxes) -> Paragraph:
        """Cut a paragraph in which words may run either way."""
        base, levels = bidi.levels(paragraph)
        runs = []
        place, tabs = 0, 0
        for piece in paragraph.split("\t"):
            indent = len(piece) - len(piece.lstrip(SPACES))
            first = len(boxes.pieces)
            for match in WORD_AND_SPACES.finditer(piece, indent):
                begin, end = place + match.start(), place + match.end()
                self._add_mixed(match[0], levels[begin:end], base, boxes)
            if len(boxes.pieces) > first:
                boxes.runs.append((first, start + place + indent))
            if piece:
                indentation = self._space(piece[:indent])
                runs.append(Run(first, len(boxes.pieces), tabs, indentation))
                tabs = 0
            tabs += 1
            place += len(piece) + 1
        return Paragraph(start, tuple(runs), base, reorders=True)

    def _add_mixed(self, word: str, levels: list[int], base: int, boxes: _Boxes) -> None:
        """Add a word and the white space after it part by part, each part in one direction."""
        bare = word.rstrip(SPACES)
        found: list[tuple[Piece, int]] = []
        at = 0
        for part in parts(bare):
            begin = at
            for end in range(at + 1, at + len(part) + 1):
                level = levels[begin]
                if end < at + len(part) and levels[end] == level:
                    continue
                piece, leftward = bare[begin:end], level % 2 == 1
                number = self._shapes.number(piece, leftward=leftward)
                glued = begin > at
                one_way = self._of_part(piece, number, leftward=leftward, glued=glued)
                found += [(one, level) for one in one_way]
                begin = end
            at += len(part)
        last, level = found[-1]
        found[-1] = self._before(last, word[len(bare) :]), level
        for one, level in found:
            number = len(boxes.pieces)
            boxes.levels[number] = boxes.gap_levels[number] = level
            boxes.pieces.append(self._pieces.number(one))
        after = levels[len(bare)] if len(bare) < len(word) else base
        boxes.gap_levels[len(boxes.pieces) - 1] = after

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
    """Boxes under construction: the piece of each, and where runs of them begin in the text."""

    def __init__(self) -> None:
        self.pieces: list[int] = []
        # The first box, and the place of its first character.
        self.runs: list[tuple[int, int]] = []
        self.levels: dict[int, int] = {}
        self.gap_levels: dict[int, int] = {}


def _running(steps: NDArray) -> NDArray:
    """Return what goes before each of `steps`."""
    return np.cumsum(steps) - steps
