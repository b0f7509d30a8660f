"""Rows of several datasets in one order: all of them, or shares by weight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

Strategy = Literal["first_exhausted", "all_exhausted"]


def mix(
    datasets: Sequence[Sequence[int]],
    weights: Sequence[float] | None,
    *,
    strategy: Strategy,
    seed: int,
) -> list[int]:
    """Return the rows of an epoch, in an order that depends only on the arguments.

    Args:
        datasets: The rows of each dataset.
        weights: The share of each, None: all rows of all datasets, once.
        strategy: Whether the epoch ends when a dataset has no new row, or when every row was
            taken and others repeat; the names of `datasets.interleave_datasets`.
        seed: Seed of the rows that are left out or repeated, and of the order.
    """
    rng = random.Random(seed)
    rows = [
        row
        for dataset, count in zip(datasets, row_counts(datasets, weights, strategy), strict=True)
        for row in _take(dataset, count, rng)
    ]
    rng.shuffle(rows)
    return rows


def row_counts(
    datasets: Sequence[Sequence[int]], weights: Sequence[float] | None, strategy: Strategy
) -> list[int]:
    """Return how many rows of each dataset an epoch has; at least one of each."""
    sizes = [len(dataset) for dataset in datasets]
    if weights is None:
        return sizes
    scales = [size / weight for size, weight in zip(sizes, weights, strict=True) if size]
    if not scales:
        return sizes
    scale = min(scales) if strategy == "first_exhausted" else max(scales)
    return [
        max(1, round(scale * weight)) if size else 0
        for size, weight in zip(sizes, weights, strict=True)
    ]


def _take(rows: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """Return `count` rows at random; none twice as long as another is not taken."""
    taken: list[int] = []
    while len(taken) < count:
        taken += rng.sample(rows, min(len(rows), count - len(taken)))
    return taken
