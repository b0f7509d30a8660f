"""Confidence intervals of metrics and of their differences, by a paired bootstrap over documents.

Documents are drawn, not rows: errors in the pages of one document are correlated. Every candidate
is resampled with the same draws, so that a difference is between answers to the same pages.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from deepsynth_tui.adapters.exam.metrics import Score

DRAWS = 4000
CHUNK = 200  # draws at a time: bounds the memory by 200 numbers per document
QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside the interval."""
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, float]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Draws:
    """A metric of one candidate: its value, and its value in each draw."""

    value: float
    resampled: np.ndarray

    def interval(self) -> Interval:
        """Return the percentile interval."""
        return _interval(self.value, self.resampled)

    def difference(self, other: Draws) -> Interval:
        """Return how much more this is than `other`, which has the same draws."""
        return _interval(self.value - other.value, self.resampled - other.resampled)


def draw(
    scores: Sequence[Sequence[Score]], groups: Sequence[Hashable], *, seed: int = 0
) -> list[Draws]:
    """Return the draws of each candidate in `scores`, which has one score per row.

    `groups` has the document of each row.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    index = np.array([numbers[group] for group in groups])
    sums = np.zeros((2, len(scores), len(numbers)))
    for candidate, rows in enumerate(scores):
        for part in range(2):
            values = np.array([row[part] for row in rows])
            sums[part, candidate] = np.bincount(index, values, minlength=len(numbers))
    totals = sums.sum(axis=2)
    random = np.random.default_rng(seed)
    parts = []
    for start in range(0, DRAWS, CHUNK):
        size = (min(CHUNK, DRAWS - start), len(numbers))
        drawn = random.integers(len(numbers), size=size)
        resampled = sums[:, :, drawn].sum(axis=3)
        # A draw without a single denominator has no value; the others decide.
        parts.append(_ratio(resampled[0], resampled[1]))
    resampled = np.concatenate(parts, axis=1)
    values = _ratio(totals[0], totals[1])
    return [Draws(float(value), row) for value, row in zip(values, resampled, strict=True)]


def _ratio(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    result = np.full(numerators.shape, np.nan)
    return np.divide(numerators, denominators, out=result, where=denominators != 0)


def _interval(value: float, resampled: np.ndarray) -> Interval:
    low, high = np.nanquantile(resampled, QUANTILES)
    return Interval(value, float(low), float(high))
