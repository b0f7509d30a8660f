"""What boxes are made of, each kind once: the same word stands in a text again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepsynth_tui.dataset.drawing.shape_cache import Growing

# Pieces kept at most, about 200 bytes each with the words that are made of them.
MOST_PIECES = 200_000


class Piece(NamedTuple):
    """A shape of `length` characters and the white space after it, `gap` font sizes wide.

    `glued` is whether it must stay on the line of what is before it.
    """

    shape: int
    length: int
    glued: bool
    gap: float = 0.0
    gap_length: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """The pieces of a text, one thing to know of them after the other; `spans` are characters
    with the white space after them."""

    shapes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    spans: NDArray[np.int64]
    glued: NDArray[np.bool_]
    gaps: NDArray[np.float64]


class Pieces:
    """Pieces by number."""

    def __init__(self) -> None:
        self._numbers: dict[Piece, int] = {}
        self._shapes = Growing(np.int64)
        self._lengths = Growing(np.int64)
        self._spans = Growing(np.int64)
        self._glued = Growing(np.bool_)
        self._gaps = Growing(np.float64)

    @property
    def are_many(self) -> bool:
        """Whether there are more than need be kept."""
        return len(self._numbers) > MOST_PIECES

    def number(self, piece: Piece) -> int:
        """Return the number of `piece`."""
        found = self._numbers.get(piece)
        if found is None:
            found = self._numbers[piece] = len(self._numbers)
            self._shapes.extend([piece.shape])
            self._lengths.extend([piece.length])
            self._spans.extend([piece.length + piece.gap_length])
            self._glued.extend([piece.glued])
            self._gaps.extend([piece.gap])
        return found

    def of(self, numbers: list[int]) -> Column:
        """Return all of the pieces with these `numbers`."""
        at = np.array(numbers, np.int64)
        return Column(
            shapes=self._shapes.values[at],
            lengths=self._lengths.values[at],
            spans=self._spans.values[at],
            glued=self._glued.values[at],
            gaps=self._gaps.values[at],
        )
