"""A NumPy array that grows by appending."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class GrowableArray:
    """An array with amortized O(1) append; `capacity` is the number of values allocated first."""

    def __init__(self, dtype: type[np.generic], capacity: int = 1024) -> None:
        self._buffer = np.empty(capacity, dtype)
        self.size = 0

    @property
    def values(self) -> NDArray:
        """A view of the values appended so far."""
        return self._buffer[: self.size]

    def extend(self, values: object) -> None:
        """Append `values`, a sequence of numbers."""
        new = np.asarray(values, self._buffer.dtype)
        if self.size + len(new) > len(self._buffer):
            self._buffer = np.concatenate(
                [self.values, np.empty(max(self.size, len(new)), self._buffer.dtype)]
            )
        self._buffer[self.size : self.size + len(new)] = new
        self.size += len(new)
