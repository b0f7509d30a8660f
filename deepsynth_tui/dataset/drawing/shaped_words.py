"""A table of shaped words: every distinct word of the texts, stored once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.growable_array import GrowableArray

# Words kept, at about 200 bytes each including the dictionaries that refer to them.
MAX_WORDS = 200_000


class ShapedWord(NamedTuple):
    """A word, or a part of one that a line may not break, and the white space after it.

    `length` and `space_length` count characters; `space_width` is in em. `no_break_before` tells
    that it must stay on the line of the word before it.
    """

    shape: int
    length: int
    no_break_before: bool
    space_width: float = 0.0
    space_length: int = 0


@dataclass(frozen=True, slots=True)
class ShapedWordArrays:
    """The fields of several `ShapedWord`s as arrays; `spans` is `length + space_length`."""

    shapes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    spans: NDArray[np.int64]
    no_break_before: NDArray[np.bool_]
    space_widths: NDArray[np.float64]


class ShapedWordTable:
    """Distinct `ShapedWord`s by index."""

    def __init__(self) -> None:
        self._indices: dict[ShapedWord, int] = {}
        self._shapes = GrowableArray(np.int64)
        self._lengths = GrowableArray(np.int64)
        self._spans = GrowableArray(np.int64)
        self._no_break_before = GrowableArray(np.bool_)
        self._space_widths = GrowableArray(np.float64)

    @property
    def is_full(self) -> bool:
        """Whether the table has grown beyond `MAX_WORDS`."""
        return len(self._indices) > MAX_WORDS

    def intern(self, word: ShapedWord) -> int:
        """Return the index of `word`, adding it on first use."""
        index = self._indices.get(word)
        if index is None:
            index = self._indices[word] = len(self._indices)
            self._shapes.extend([word.shape])
            self._lengths.extend([word.length])
            self._spans.extend([word.length + word.space_length])
            self._no_break_before.extend([word.no_break_before])
            self._space_widths.extend([word.space_width])
        return index

    def arrays(self, indices: list[int]) -> ShapedWordArrays:
        """Return the fields of the words at `indices`."""
        at = np.array(indices, np.int64)
        return ShapedWordArrays(
            shapes=self._shapes.values[at],
            lengths=self._lengths.values[at],
            spans=self._spans.values[at],
            no_break_before=self._no_break_before.values[at],
            space_widths=self._space_widths.values[at],
        )
