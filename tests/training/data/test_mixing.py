"""Rows of several datasets: all of them, or shares by weight, always in the same order."""

from __future__ import annotations

from collections import Counter

import pytest

from deepsynth_tui.training.data.mixing import Strategy, mix, row_counts

SMALL, LARGE = list(range(10)), list(range(100, 200))


@pytest.mark.parametrize(
    ("weights", "strategy", "counts"),
    [
        (None, "first_exhausted", [10, 100]),
        ([1.0, 1.0], "first_exhausted", [10, 10]),
        ([1.0, 1.0], "all_exhausted", [100, 100]),
        ([0.2, 0.8], "first_exhausted", [10, 40]),
        ([3.0, 1.0], "first_exhausted", [10, 3]),
        ([1.0, 1000.0], "first_exhausted", [1, 100]),
    ],
)
def test_rows_of_an_epoch(weights: list[float] | None, strategy: Strategy, counts: list[int]):
    assert row_counts([SMALL, LARGE], weights, strategy) == counts
    mixed = mix([SMALL, LARGE], weights, strategy=strategy, seed=1)
    assert [sum(row in rows for row in mixed) for rows in (SMALL, LARGE)] == counts
    assert mixed == mix([SMALL, LARGE], weights, strategy=strategy, seed=1)
    assert mixed != mix([SMALL, LARGE], weights, strategy=strategy, seed=2)
    if strategy == "first_exhausted":
        assert max(Counter(mixed).values()) == 1


def test_repeated_rows_are_spread_evenly():
    mixed = Counter(mix([SMALL, LARGE], [1.0, 1.0], strategy="all_exhausted", seed=3))
    assert {mixed[row] for row in SMALL} == {10}
