"""Characters that no font has a glyph for.

The font draws them as its `.notdef` box. They are recorded once per shaped word and counted per
text, so counting costs nothing where no word lacks a glyph.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray


class MissingGlyphs:
    """The characters without a glyph in each shape of a `ShapeCache`."""

    def __init__(self) -> None:
        self._by_shape: dict[int, str] = {}

    def add(self, shape: int, characters: str) -> None:
        """Record that `characters` of `shape` have no glyph."""
        self._by_shape[shape] = characters

    def count(self, shapes: NDArray[np.int64]) -> Counter[str]:
        """Return how often each character without a glyph occurs in `shapes`."""
        counts: Counter[str] = Counter()
        if self._by_shape:
            for shape in shapes.tolist():
                counts.update(self._by_shape.get(shape, ""))
        return counts
