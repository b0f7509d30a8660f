"""A text cut into boxes, the units that stay together on a line, with their widths.

Lengths are in em (multiples of the font size), so a text is measured once and laid out at any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing import bidi
from deepsynth_tui.dataset.drawing.line_breaking import (
    SPACES,
    UNSPACED_SCRIPTS,
    WORD_AND_SPACES,
    grapheme_clusters,
    split_paragraphs,
    unbreakable_parts,
)
from deepsynth_tui.dataset.drawing.shape_cache import CONTEXT, ShapeCache
from deepsynth_tui.dataset.drawing.shaped_words import ShapedWord, ShapedWordTable

# Width of a space in a font without one: a quarter em, as in most fonts.
DEFAULT_SPACE_WIDTH = 0.25


class TabRun(NamedTuple):
    """Boxes `first` to `last` (exclusive) of a paragraph, without a tab among them.

    They follow `tabs` tabs and leading spaces of width `indent`.
    """

    first: int
    last: int
    tabs: int
    indent: float


class Paragraph(NamedTuple):
    """Characters from `start` to the next paragraph. An odd `base_level` is right to left.

    `needs_reordering` where words may run in both directions.
    """

    start: int
    tab_runs: tuple[TabRun, ...]
    base_level: int = 0
    needs_reordering: bool = False


@dataclass(frozen=True, slots=True)
class MeasuredText:
    """A text as boxes.

    Attributes:
        length: Characters of the text.
        starts: Index of each box's first character.
        shapes: Shape id of each box.
        left, right: Where each box begins and ends on a single endless line.
        space_widths: Width of the white space after each box.
        lengths: Number of characters in each box.
        no_break_before: Boxes that must stay on the line of the box before them.
        levels: Bidi level of each box, in paragraphs that need reordering.
        space_levels: Bidi level of the white space after each box, likewise.
        space_width: Width of a space.
    """

    length: int
    paragraphs: tuple[Paragraph, ...]
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    space_widths: NDArray[np.float64]
    lengths: NDArray[np.int64]
    no_break_before: frozenset[int]
    levels: dict[int, int]
    space_levels: dict[int, int]
    space_width: float

    def paragraph_widths(self) -> NDArray[np.float64]:
        """Return the width of each paragraph with ink on one line, without its indentation."""
        inked = [
            paragraph.tab_runs
            for paragraph in self.paragraphs
            if paragraph.tab_runs and paragraph.tab_runs[0].first < paragraph.tab_runs[-1].last
        ]
        firsts = [runs[0].first for runs in inked]
        lasts = [runs[-1].last - 1 for runs in inked]
        return self.right[lasts] - self.left[firsts] if inked else np.empty(0)


class TextMeasurer:
    """Measures texts with the shapes of one font stack."""

    def __init__(self, shapes: ShapeCache, max_word_width: float) -> None:
        """Words wider than `max_word_width` are cut into grapheme clusters."""
        self._shapes = shapes
        self._max_word_width = max_word_width
        self._space_widths: dict[str, float] = {"": 0.0}
        self._clear()

    def _clear(self) -> None:
        self._table = ShapedWordTable()
        # A word with the white space after it -> its index in the table, or the indices of its
        # parts if a line may break inside it.
        self._whole_words: dict[str, int] = {}
        self._divided_words: dict[str, list[int]] = {}

    def measure(self, text: str) -> MeasuredText:
        """Cut `text` into boxes."""
        if self._shapes.clear_if_full() or self._table.is_full:
            self._clear()
        boxes = _BoxBuilder()
        paragraphs = []
        start = 0
        for paragraph, line_end_length in split_paragraphs(text):
            if paragraph or line_end_length:
                mixed = not paragraph.isascii() and bidi.may_be_rtl(paragraph)
                add = self._add_bidi_paragraph if mixed else self._add_ltr_paragraph
                paragraphs.append(add(paragraph, start, boxes))
            start += len(paragraph) + line_end_length
        return self._measured_text(len(text), tuple(paragraphs), boxes)

    def _measured_text(
        self, length: int, paragraphs: tuple[Paragraph, ...], boxes: _BoxBuilder
    ) -> MeasuredText:
        words = self._table.arrays(boxes.words)
        widths = self._shapes.advances.values[words.shapes]
        left = _exclusive_cumsum(widths + words.space_widths)
        # Counted from the first box of each run: tabs and indentation belong to no box.
        offsets = _exclusive_cumsum(words.spans)
        runs = np.array(boxes.runs, np.int64).reshape(-1, 2)
        first_boxes, run_starts = runs[:, 0], runs[:, 1]
        counts = np.append(first_boxes[1:], len(offsets)) - first_boxes
        return MeasuredText(
            length=length,
            paragraphs=paragraphs,
            starts=offsets + (run_starts - offsets[first_boxes]).repeat(counts),
            shapes=words.shapes,
            left=left,
            right=left + widths,
            space_widths=words.space_widths,
            lengths=words.lengths,
            no_break_before=frozenset(np.flatnonzero(words.no_break_before).tolist()),
            levels=boxes.levels,
            space_levels=boxes.space_levels,
            space_width=self._width_of_spaces(" "),
        )

    def _add_ltr_paragraph(self, paragraph: str, start: int, boxes: _BoxBuilder) -> Paragraph:
        tab_runs = []
        at, tabs = start, 0
        for field in paragraph.split("\t"):
            indent = len(field) - len(field.lstrip(SPACES))
            first = len(boxes.words)
            if words := WORD_AND_SPACES.findall(field, indent):
                boxes.runs.append((first, at + indent))
                try:
                    boxes.words += list(map(self._whole_words.__getitem__, words))
                except KeyError:
                    self._add_new_words(words, boxes)
            if field:
                width = self._width_of_spaces(field[:indent])
                tab_runs.append(TabRun(first, len(boxes.words), tabs, width))
                tabs = 0
            tabs += 1
            at += len(field) + 1
        return Paragraph(start, tuple(tab_runs))

    def _add_new_words(self, words: list[str], boxes: _BoxBuilder) -> None:
        """Add words, some of which are new or divided."""
        for word in words:
            index = self._whole_words.get(word)
            if index is None:
                boxes.words += self._shape_ltr_word(word)
            else:
                boxes.words.append(index)

    def _shape_ltr_word(self, word: str) -> list[int]:
        """Return the table indices of a word and the white space after it."""
        if word in self._divided_words:
            return self._divided_words[word]
        bare = word.rstrip(SPACES)
        shaped: list[ShapedWord] = []
        for part in unbreakable_parts(bare):
            shape = self._shapes.shape_id(part)
            shaped += self._shaped_part(part, shape, rtl=False, no_break_before=False)
        shaped[-1] = self._with_spaces(shaped[-1], word[len(bare) :])
        indices = [self._table.intern(part) for part in shaped]
        if len(indices) == 1:
            self._whole_words[word] = indices[0]
        else:
            self._divided_words[word] = indices
        return indices

    def _shaped_part(
        self, part: str, shape: int, *, rtl: bool, no_break_before: bool
    ) -> list[ShapedWord]:
        """Return an unbreakable part of a word, cluster by cluster if wider than any line."""
        if self._shapes.advances.values[shape] <= self._max_word_width:
            return [ShapedWord(shape, len(part), no_break_before)]
        shaped: list[ShapedWord] = []
        start = 0
        for cluster in grapheme_clusters(part):
            end = start + len(cluster)
            cluster_shape = self._shapes.add_shape(
                cluster,
                rtl=rtl,
                pre_context=part[max(0, start - CONTEXT) : start],
                post_context=part[end : end + CONTEXT],
            )
            no_break = no_break_before or start > 0
            if UNSPACED_SCRIPTS.match(cluster):
                no_break = False
            shaped.append(ShapedWord(cluster_shape, len(cluster), no_break))
            start = end
        return shaped

    def _with_spaces(self, word: ShapedWord, spaces: str) -> ShapedWord:
        return word._replace(space_width=self._width_of_spaces(spaces), space_length=len(spaces))

    def _add_bidi_paragraph(self, paragraph: str, start: int, boxes: _BoxBuilder) -> Paragraph:
        """Add a paragraph in which words may run in either direction."""
        base_level, levels = bidi.embedding_levels(paragraph)
        tab_runs = []
        at, tabs = 0, 0
        for field in paragraph.split("\t"):
            indent = len(field) - len(field.lstrip(SPACES))
            first = len(boxes.words)
            for match in WORD_AND_SPACES.finditer(field, indent):
                word_levels = levels[at + match.start() : at + match.end()]
                self._add_bidi_word(match[0], word_levels, base_level, boxes)
            if len(boxes.words) > first:
                boxes.runs.append((first, start + at + indent))
            if field:
                width = self._width_of_spaces(field[:indent])
                tab_runs.append(TabRun(first, len(boxes.words), tabs, width))
                tabs = 0
            tabs += 1
            at += len(field) + 1
        return Paragraph(start, tuple(tab_runs), base_level, needs_reordering=True)

    def _add_bidi_word(
        self, word: str, levels: list[int], base_level: int, boxes: _BoxBuilder
    ) -> None:
        """Add a word and the white space after it, split where its level changes."""
        bare = word.rstrip(SPACES)
        shaped: list[tuple[ShapedWord, int]] = []
        part_start = 0
        for part in unbreakable_parts(bare):
            start, part_end = part_start, part_start + len(part)
            for end in range(start + 1, part_end + 1):
                level = levels[start]
                if end < part_end and levels[end] == level:
                    continue
                level_run, rtl = bare[start:end], level % 2 == 1
                shape = self._shapes.shape_id(level_run, rtl=rtl)
                shaped += [
                    (piece, level)
                    for piece in self._shaped_part(
                        level_run, shape, rtl=rtl, no_break_before=start > part_start
                    )
                ]
                start = end
            part_start = part_end
        last, level = shaped[-1]
        shaped[-1] = self._with_spaces(last, word[len(bare) :]), level
        for piece, level in shaped:
            box = len(boxes.words)
            boxes.levels[box] = boxes.space_levels[box] = level
            boxes.words.append(self._table.intern(piece))
        space_level = levels[len(bare)] if len(bare) < len(word) else base_level
        boxes.space_levels[len(boxes.words) - 1] = space_level

    def _width_of_spaces(self, spaces: str) -> float:
        width = self._space_widths.get(spaces)
        if width is None:
            width = self._space_widths[spaces] = sum(map(self._width_of_space, spaces))
        return width

    def _width_of_space(self, space: str) -> float:
        font = self._shapes.fonts.primary
        if space == "\u200b":
            return 0.0
        if ord(space) not in font.codepoints:
            if space == " ":
                return DEFAULT_SPACE_WIDTH
            # An ideographic space is as wide as an ideograph, any other as a space.
            return 1.0 if space == "\N{IDEOGRAPHIC SPACE}" else self._width_of_spaces(" ")
        return float(font.shape(space, rtl=False).advance)


class _BoxBuilder:
    """Boxes under construction."""

    def __init__(self) -> None:
        # Index of each box's word in the table.
        self.words: list[int] = []
        # Of each run without a tab: its first box, and the index of that box's first character.
        self.runs: list[tuple[int, int]] = []
        self.levels: dict[int, int] = {}
        self.space_levels: dict[int, int] = {}


def _exclusive_cumsum(values: NDArray) -> NDArray:
    """Return the sum of the values before each of `values`."""
    return values.cumsum() - values
