"""What makes a run fit a GPU: the largest batch size, and the cheapest tweak of the configuration.

Every result was estimated like any other configuration and breaks no validation rule. Pure, but a
search takes up to a few hundred estimates: call it from a thread.
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
from deepsynth_tui.estimate.tweaks import (
    ACCUMULATION,
    BATCH,
    EFFECTS,
    QualityCost,
    Tweak,
    list_tweaks,
    with_values,
)

# The search for a batch size ends here. A result of this many rows means at least as many.
MAX_BATCH_SIZE = 1024
WORTHWHILE = 0.1
"""Share of a step's time that a larger batch must save to be proposed."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Changed settings with which a run fits a GPU.

    `changes` are new values by dotted key, to be set together; `words` describe them, `effect`
    their effect on the result. The run then needs `needed` bytes of GPU memory and leaves
    `headroom` bytes. `seconds_per_step` is on the catalogue's GPU that is nearest in memory, None
    without a catalogue.
    """

    changes: Mapping[str, Any]
    words: str
    effect: str
    needed: int
    headroom: int
    seconds_per_step: float | None


def largest_batches(
    config: TrainingConfig, inputs: EstimateInputs, available: Sequence[int]
) -> tuple[int, ...]:
    """Return the largest ``per_device_train_batch_size`` that fits each of `available` bytes.

    0 where not even one row fits; at most `MAX_BATCH_SIZE` and the rows of the dataset.
    """
    limit = min(MAX_BATCH_SIZE, inputs.dataset.rows or MAX_BATCH_SIZE)

    @cache
    def needed(rows: int) -> int:
        variant = with_values(config, {"training.per_device_train_batch_size": rows})
        return inputs.estimate_on(variant, ()).needed

    def largest(size: int) -> int:
        fits, fails = 0, 1
        while fails <= limit and needed(fails) <= size:
            fits, fails = fails, 2 * fails
        fails = min(fails, limit + 1)
        while fails - fits > 1:
            middle = (fits + fails) // 2
            fits, fails = (middle, fails) if needed(middle) <= size else (fits, middle)
        return fits

    return tuple(largest(size) for size in available)


def cheapest_fixes(
    config: TrainingConfig, inputs: EstimateInputs, available: Sequence[int]
) -> tuple[Fix | None, ...]:
    """Return the cheapest fix for each of `available` bytes, None where there is none.

    A fix is a single tweak if one is enough, else a pair. The cheapest has the least cost in
    quality, then in time. Pass only sizes that the run does not fit without changes.
    """
    if not available:
        return ()
    tweaks = list_tweaks(config, inputs)
    singles = tuple(_trials([(tweak,) for tweak in tweaks], config, inputs))
    fixes = [_cheapest(singles, inputs, size) for size in available]
    if None in fixes:
        combined = [pair for pair in combinations(tweaks, 2) if pair[0].kind != pair[1].kind]
        pairs = tuple(_trials(combined, config, inputs))
        fixes = [
            fix or _cheapest(pairs, inputs, size)
            for fix, size in zip(fixes, available, strict=True)
        ]
    return tuple(fixes)


def faster_batch(
    config: TrainingConfig, inputs: EstimateInputs, available: int, largest: int
) -> Fix | None:
    """Return the batch size with which a step of the same rows takes the least time.

    Small models wait for their kernels to be launched, and mixtures of experts for their weights to
    be read, which a larger batch does less often. None if no batch of up to `largest` rows saves
    `WORTHWHILE` of the time.
    """
    nearest = _nearest_gpu(inputs, available)
    if nearest is None:
        return None
    gpu = inputs.gpus[nearest]
    rows = config.training.per_device_train_batch_size
    total = rows * config.training.gradient_accumulation_steps
    present = inputs.estimate_on(config, (gpu,)).gpus[0].seconds_per_step
    best: Fix | None = None
    limit = (1 - WORTHWHILE) * present
    for count in range(rows + 1, min(largest, total) + 1):
        if total % count:
            continue
        steps = total // count
        values = {BATCH: count, ACCUMULATION: steps}
        estimate = inputs.estimate_on(with_values(config, values), (gpu,))
        seconds = estimate.gpus[0].seconds_per_step
        if seconds > limit:
            continue
        limit = seconds
        added = f", {steps} batches added up" if steps > 1 else ""
        best = Fix(
            changes=values,
            words=f"{count} rows at once instead of {rows}{added}",
            effect=f"{present / seconds:.1f}x as fast, {EFFECTS[QualityCost.NOTHING]}",
            needed=estimate.needed,
            headroom=available - estimate.needed,
            seconds_per_step=seconds,
        )
    return best


def _nearest_gpu(inputs: EstimateInputs, available: int) -> int | None:
    """Return the number of the GPU whose memory is nearest to `available`, None without GPUs."""
    return min(
        range(len(inputs.gpus)),
        key=lambda index: abs(inputs.gpus[index].usable_bytes - available),
        default=None,
    )


@dataclass(frozen=True, slots=True)
class _Trial:
    """Tweaks applied together, and the estimate of the result."""

    tweaks: tuple[Tweak, ...]
    values: Mapping[str, Any]
    needed: int
    seconds: tuple[float, ...]

    @property
    def cost(self) -> list[tuple[int, int]]:
        """Costs of the tweaks, the highest first."""
        return sorted((tweak.cost for tweak in self.tweaks), reverse=True)

    @property
    def strength(self) -> int:
        """Sum of the strengths of the tweaks."""
        return sum(tweak.strength for tweak in self.tweaks)


def _trials(
    candidates: Iterable[tuple[Tweak, ...]], config: TrainingConfig, inputs: EstimateInputs
) -> Iterator[_Trial]:
    """Estimate each candidate that breaks no rule that `config` itself does not break."""
    broken = {problem.message for problem in broken_rules(config, ())}
    for tweaks in candidates:
        values = {key: value for tweak in tweaks for key, value in tweak.values.items()}
        variant = with_values(config, values)
        if all(problem.message in broken for problem in broken_rules(variant, ())):
            estimate = inputs.estimate(variant)
            seconds = tuple(row.seconds_per_step for row in estimate.gpus)
            yield _Trial(tweaks, values, estimate.needed, seconds)


def _mildest(trials: Iterable[_Trial]) -> list[_Trial]:
    """For each combination of kinds of tweaks, the trial of least cost, then least strength."""
    mildest: dict[tuple[str, ...], _Trial] = {}
    for trial in trials:
        kinds = tuple(tweak.kind for tweak in trial.tweaks)
        other = mildest.get(kinds)
        if other is None or (trial.cost, trial.strength) < (other.cost, other.strength):
            mildest[kinds] = trial
    return list(mildest.values())


def _cheapest(trials: Sequence[_Trial], inputs: EstimateInputs, available: int) -> Fix | None:
    """The cheapest trial that fits, timed on the GPU that is nearest to `available` in memory."""
    nearest_gpu = _nearest_gpu(inputs, available)
    fitting = _mildest(trial for trial in trials if trial.needed <= available)
    if not fitting:
        return None
    seconds = [None if nearest_gpu is None else trial.seconds[nearest_gpu] for trial in fitting]
    best = min(range(len(fitting)), key=lambda index: (fitting[index].cost, seconds[index] or 0.0))
    trial = fitting[best]
    return Fix(
        changes=trial.values,
        words=" and ".join(tweak.words for tweak in trial.tweaks),
        effect=_effect(trial.tweaks),
        needed=trial.needed,
        headroom=available - trial.needed,
        seconds_per_step=seconds[best],
    )


def _effect(tweaks: Sequence[Tweak]) -> str:
    """The effects of tweaks on the result; those without one are named only if all are."""
    noticeable = [tweak for tweak in tweaks if tweak.quality_cost] or tweaks
    return "; ".join(dict.fromkeys(tweak.effect for tweak in noticeable))
