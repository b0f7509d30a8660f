"""Arithmetic of a line chart: which points to draw, and where to label the axes. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
_STEPS = (1, 2, 5, 10, 20, 50)
_MANTISSAS = (1, 2, 5)


def decimate(points: Sequence[Point], buckets: int) -> list[Point]:
    """Return at most `2 * buckets + 2` points that keep every spike.

    The points are divided into buckets of equal length. The lowest and the highest of each bucket
    are kept, in order; so are the very first and last point.
    """
    if len(points) <= 2 * buckets or buckets < 1:
        return list(points)
    edges = [round(i * len(points) / buckets) for i in range(buckets + 1)]
    kept: list[Point] = []
    for start, end in pairwise(edges):
        bucket = points[start:end]
        low, high = min(bucket, key=_value), max(bucket, key=_value)
        kept.extend([low] if low is high else sorted((low, high)))
    return [points[0], *(p for p in kept if p not in (points[0], points[-1])), points[-1]]


def ticks(low: float, high: float, max_count: int, *, integers: bool = False) -> list[float]:
    """Return as many round numbers within `low`..`high` as possible, at most `max_count` (or 2).

    They are 1, 2 or 5 times a power of ten apart, and integers if `integers` is set. An empty
    range returns its one value.
    """
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / max(2, max_count)))
    steps = (power * s for s in _STEPS if not integers or power * s >= 1)
    candidates = (_multiples(step, low, high) for step in steps)
    return next(values for values in candidates if len(values) <= max(2, max_count))


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return the shortest common format in which all of `values` (from `ticks`) differ."""
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


def log_ticks(low: float, high: float, max_count: int) -> list[float]:
    """Return where to label an axis that shows decimal logarithms from `low` to `high`.

    The values are logarithms of 1, 2 or 5 times powers of ten, of powers of ten alone, or of some
    of those where there are too many; a range with fewer than two of them is labelled at its ends.
    """
    for mantissas in (_MANTISSAS, (1,)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        values = [power + math.log10(mantissa) for power in powers for mantissa in mantissas]
        inside = [value for value in values if low - 1e-9 <= value <= high + 1e-9]
        if 2 <= len(inside) <= max(2, max_count):
            return inside
    if high - low > 1:
        stride = math.ceil((high - low) / max(1, max_count - 1))
        return [float(power) for power in range(math.ceil(low), math.floor(high) + 1, stride)]
    return [low, high] if high > low else [low]


def log_tick_labels(values: Sequence[float]) -> list[str]:
    """Return the numbers whose logarithms `log_ticks` returned, in two digits."""
    return [f"{10**value:.2g}" for value in values]
