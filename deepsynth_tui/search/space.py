"""The values that a search tries for each parameter."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

Value = Any
"""Any value of YAML."""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`. `points` are the values of a grid, None if not set."""

    low: float
    high: float
    log: bool = False
    integer: bool = False
    points: int | None = None

    def suggest(self, trial: optuna.Trial, key: str) -> Value:
        """Return the value of a trial, which Optuna chooses once."""
        if self.integer:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)

    def stored(self, value: Value) -> Value | None:
        """Return `value` as Optuna stores it, None if it is outside of the range."""
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if is_number and self.low <= value <= self.high else None

    def at(self, place: float) -> Value:
        """Return the value at a place from 0 to 1, with six digits."""
        if self.log:
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + place * (self.high - self.low)
        value = min(self.high, max(self.low, float(f"{value:.6g}")))
        return round(value) if self.integer else value

    def grid(self, points: int) -> list[Value]:
        """Return evenly spaced values with both ends; integers once each."""
        places = [step / (points - 1) for step in range(points)] if points > 1 else [0.0]
        return list(dict.fromkeys(map(self.at, places)))


@dataclass(frozen=True, slots=True)
class Choices:
    """A list of values. Optuna stores them as JSON, as they may be lists."""

    values: tuple[Value, ...]

    def suggest(self, trial: optuna.Trial, key: str) -> Value:
        """Return the value of a trial, which Optuna chooses once."""
        return json.loads(trial.suggest_categorical(key, [json.dumps(v) for v in self.values]))

    def stored(self, value: Value) -> Value | None:
        """Return `value` as Optuna stores it, None if it is not among the values."""
        return json.dumps(value) if value in self.values else None

    def at(self, place: float) -> Value:
        """Return the value at a place from 0 to 1, as Optuna stores it."""
        return json.dumps(self.values[min(int(place * len(self.values)), len(self.values) - 1)])

    def grid(self, points: int) -> list[Value]:
        """Return all values."""
        return [json.dumps(value) for value in self.values]


Parameter = Range | Choices
Space = Mapping[str, Parameter]


def grid_points(space: Space, trials: int | None) -> dict[str, int]:
    """Return the number of grid values of each parameter.

    Of ranges without `points`, only a single one can be completed: to `trials` combinations. The
    number of any other is 0.
    """
    known = {
        key: len(parameter.values) if isinstance(parameter, Choices) else parameter.points or 0
        for key, parameter in space.items()
    }
    missing = [key for key, count in known.items() if count == 0]
    if len(missing) == 1 and trials is not None:
        rest = math.prod(count for count in known.values() if count)
        known[missing[0]] = trials // rest if trials % rest == 0 else 0
    return known


def grid(space: Space, points: Mapping[str, int]) -> list[dict[str, Value]]:
    """Return every combination, as Optuna stores it."""
    columns: Sequence[list[Value]] = [
        parameter.grid(points[key]) for key, parameter in space.items()
    ]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*columns)]


def spread(space: Space, count: int) -> list[dict[str, Value]]:
    """Return `count` combinations that are spread evenly, as Optuna stores them.

    The Halton sequence in the first primes, without the point in the middle of each range: the base
    is usually there.
    """
    return [
        {
            key: parameter.at(_radical_inverse(index, base))
            for (key, parameter), base in zip(space.items(), _primes(), strict=False)
        }
        for index in range(2, count + 2)
    ]


def _radical_inverse(index: int, base: int) -> float:
    """Return the digits of `index` in `base`, mirrored at the point."""
    value, weight = 0.0, 1 / base
    while index:
        index, digit = divmod(index, base)
        value += digit * weight
        weight /= base
    return value


def _primes() -> Iterator[int]:
    primes: list[int] = []
    for number in itertools.count(2):
        if all(number % prime for prime in primes):
            primes.append(number)
            yield number
