"""What would make a run fit: the largest batch, and the cheapest change of the configuration.

Every answer was tried: the changed configuration passes the project's own rules and is estimated
like any other. Pure, but a search of up to a few hundred estimates: call it from a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from deepsynth_tui.config.rules import broken_rules
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.tweaks import Tweak, list_tweaks, with_values

# The search for a batch size ends here: an answer of this many rows means at least as many.
MAX_BATCH_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that makes a run fit a GPU.

    `changes` are new values by dotted key, to be set together; `words` say them, `effect` what
    they do to the result. `needed` bytes of GPU memory and the `headroom` it leaves;
    `seconds_per_step` on the GPU of the catalogue that is nearest in memory, None without one.
    """

    changes: Mapping[str, Any]
    words: str
    effect: str
    needed: int
    headroom: int
    seconds_per_step: float | None


def largest_batches(
    config: TrainingConfig, grounds: EstimateInputs, rooms: Sequence[int]
) -> tuple[int, ...]:
    """The most rows at once (``per_device_train_batch_size``) that fit each of `rooms` in bytes.

    0 where not even one row fits; at most `MAX_BATCH_SIZE`, and no more than the dataset has.
    """
    most = min(MAX_BATCH_SIZE, grounds.dataset.rows or MAX_BATCH_SIZE)

    @cache
    def needed(rows: int) -> int:
        tried = with_values(config, {"training.per_device_train_batch_size": rows})
        return grounds.estimate_on(tried, ()).needed

    def largest(room: int) -> int:
        fits, fails = 0, 1
        while fails <= most and needed(fails) <= room:
            fits, fails = fails, 2 * fails
        fails = min(fails, most + 1)
        while fails - fits > 1:
            middle = (fits + fails) // 2
            fits, fails = (middle, fails) if needed(middle) <= room else (fits, middle)
        return fits

    return tuple(largest(room) for room in rooms)


def cheapest_fixes(
    config: TrainingConfig, grounds: EstimateInputs, rooms: Sequence[int]
) -> tuple[Fix | None, ...]:
    """The cheapest change with which the run fits each of `rooms` in bytes, None if there is none.

    A single change if one does it, else a pair. Cheapest: what costs the result least, then what
    takes least time. Ask only for rooms that the run does not fit as it is.
    """
    if not rooms:
        return ()
    single = list_tweaks(config, grounds)
    ones = tuple(_tried([(one,) for one in single], config, grounds))
    found = [_first_fitting(ones, grounds, room) for room in rooms]
    if None in found:
        apart = [pair for pair in combinations(single, 2) if pair[0].kind != pair[1].kind]
        pairs = tuple(_tried(apart, config, grounds))
        found = [
            one or _first_fitting(pairs, grounds, room)
            for one, room in zip(found, rooms, strict=True)
        ]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Changes made together: what they are, and what an estimate says of the result."""

    together: tuple[Tweak, ...]
    values: Mapping[str, Any]
    needed: int
    seconds: tuple[float, ...]

    @property
    def loss(self) -> list[tuple[int, int]]:
        """What it costs the result, the worst of its changes first."""
        return sorted((one.cost for one in self.together), reverse=True)

    @property
    def step(self) -> int:
        """How far its changes go, all together."""
        return sum(one.step for one in self.together)


def _tried(
    candidates: Iterable[tuple[Tweak, ...]], config: TrainingConfig, grounds: EstimateInputs
) -> Iterator[_Trial]:
    """Estimate each candidate that breaks no rule which `config` keeps."""
    accepted = {problem.message for problem in broken_rules(config, ())}
    for together in candidates:
        values = {key: value for one in together for key, value in one.values.items()}
        tried = with_values(config, values)
        if all(problem.message in accepted for problem in broken_rules(tried, ())):
            found = grounds.estimate(tried)
            seconds = tuple(row.seconds_per_step for row in found.gpus)
            yield _Trial(together, values, found.needed, seconds)


def _least_far(trials: Iterable[_Trial]) -> list[_Trial]:
    """Of the trials that change the same things, the one that takes them least far."""
    kept: dict[tuple[str, ...], _Trial] = {}
    for trial in trials:
        kinds = tuple(one.kind for one in trial.together)
        before = kept.get(kinds)
        if before is None or (trial.loss, trial.step) < (before.loss, before.step):
            kept[kinds] = trial
    return list(kept.values())


def _first_fitting(trials: Sequence[_Trial], grounds: EstimateInputs, room: int) -> Fix | None:
    """The cheapest trial that fits, timed on the GPU that is nearest to `room` in memory."""
    nearest = min(
        range(len(grounds.gpus)),
        key=lambda place: abs(grounds.gpus[place].usable_bytes - room),
        default=None,
    )
    fitting = _least_far(trial for trial in trials if trial.needed <= room)
    if not fitting:
        return None
    seconds = [None if nearest is None else trial.seconds[nearest] for trial in fitting]
    places = range(len(fitting))
    best = min(places, key=lambda place: (fitting[place].loss, seconds[place] or 0.0))
    chosen = fitting[best]
    return Fix(
        changes=chosen.values,
        words=" and ".join(one.words for one in chosen.together),
        effect=_effect(chosen.together),
        needed=chosen.needed,
        headroom=room - chosen.needed,
        seconds_per_step=seconds[best],
    )


def _effect(together: Sequence[Tweak]) -> str:
    """What changes do to the result; those that do nothing are named only where all do."""
    felt = [one for one in together if one.loss] or together
    return "; ".join(dict.fromkeys(one.effect for one in felt))
