"""Arithmetic of a line chart: which points to draw and where the axes are labelled. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[int, float]
_STEPS = (1, 2, 5, 10, 20, 50)


def decimate(points: Sequence[Point], buckets: int) -> list[Point]:
    """At most `2 * buckets` of `points`, so that no spike is lost.

    The points are cut into `buckets` parts of equal length; of each the lowest and the highest
    stay, in the order of their steps. The very first and last point always stay.
    """
    if len(points) <= 2 * buckets or buckets < 1:
        return list(points)
    edges = [round(i * len(points) / buckets) for i in range(buckets + 1)]
    kept: list[Point] = []
    for start, end in pairwise(edges):
        part = points[start:end]
        low, high = min(part, key=_value), max(part, key=_value)
        kept.extend([low] if low is high else sorted((low, high)))
    return [points[0], *(p for p in kept if p not in (points[0], points[-1])), points[-1]]


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Round numbers within `low`..`high`, as many as there are up to `most` (at least 2).

    They are 1, 2 or 5 times a power of ten apart; `whole` keeps to integers. A range without
    width gives its one value.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / max(2, most)))
    steps = (power * s for s in _STEPS if not whole or power * s >= 1)
    found = [_multiples(step, low, high) for step in steps]
    return next(values for values in found if len(values) <= max(2, most))


def labels(values: Sequence[float]) -> list[str]:
    """The shortest common notation that tells `values` (as `ticks` gives them) apart."""
    if len(values) == 1:
        return [f"{values[0]:.3g}"]
    step = min((abs(b - a) for a, b in pairwise(values)), default=0.0)
    top = max(map(abs, values), default=0.0)
    if step and (top >= 1e6 or step < 1e-4):
        digits = max(1, math.ceil(math.log10(top / step)))
        return [f"{value:.{digits}e}" for value in values]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    return [f"{value:.{decimals}f}" for value in values]


def _multiples(step: float, low: float, high: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _value(point: Point) -> float:
    return point[1]
