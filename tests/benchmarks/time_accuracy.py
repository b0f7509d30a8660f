"""Predicted against published throughputs: ``python -m tests.benchmarks.time_accuracy``.

Prints every row, the ratio of measured to predicted seconds by source, model and GPU, the fit that
`timing.CALIBRATED` and `SPREAD` were rounded from, and the error on each GPU of a fit without its
rows. Nothing is asserted here; ``tests/estimate/test_timing.py`` does.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.timing import CALIBRATED, SPREAD, Efficiency, step_seconds
from deepsynth_tui.estimate.work.step import step_work
from deepsynth_tui.estimate.work.work import Work
from tests.estimate.published import Measurement, measurements

FITTED = ("matmul", "masked", "memory", "dequantization", "launch")
# Upper bounds, as shares of the data sheet, of rates that the rows do not determine.
MOST = {"matmul": 0.85, "memory": 0.9, "masked": 0.7, "dequantization": 0.9, "launch": 1.0}
STEPS = (0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True, slots=True)
class Run:
    """A published run, the work of a step, and its measured seconds."""

    row: Measurement
    work: Work
    seconds: float

    @property
    def group(self) -> tuple[str, str, str]:
        """Source, model and GPU: runs of one group are not independent."""
        return self.row.source.split()[0], self.row.layout.name, self.row.gpu.name

    def ratio(self, rates: Efficiency = CALIBRATED) -> float:
        """Return measured over predicted seconds."""
        return self.seconds / step_seconds(self.work, self.row.gpu, rates)


def runs() -> tuple[Run, ...]:
    """Return the published runs whose software computes as ours does."""
    comparable: list[Run] = []
    for row in measurements():
        if row.stack.float32_stream or row.gptq:
            continue
        training = row.config.training
        work = step_work(
            row.config,
            row.layout,
            count_trainable(row.config, row.layout),
            length=row.mean_length,
            patches=0,
        )
        tokens = (
            training.per_device_train_batch_size
            * training.gradient_accumulation_steps
            * row.mean_length
        )
        comparable.append(Run(row, work, tokens / row.tokens_per_second))
    return tuple(comparable)


def weights(sample: Sequence[Run]) -> Mapping[str, float]:
    """Return the weight of each row; the weights of a group sum to 1."""
    sizes = Counter(run.group for run in sample)
    return {run.row.id: 1 / sizes[run.group] for run in sample}


def loss(sample: Sequence[Run], rates: Efficiency) -> float:
    """Return the weighted mean of the absolute logarithm of the ratio."""
    weight = weights(sample)
    total = sum(weight[run.row.id] * abs(math.log(run.ratio(rates))) for run in sample)
    return total / sum(weight.values())


def fit(sample: Sequence[Run], start: Efficiency = CALIBRATED) -> Efficiency:
    """Minimize `loss` by coordinate descent with decreasing steps, and return the rates."""
    best, least = start, loss(sample, start)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for name in FITTED:
                for factor in (1 + step, 1 / (1 + step)):
                    value = min(getattr(best, name) * factor, MOST[name])
                    candidate = replace(best, **{name: value})
                    candidate_loss = loss(sample, candidate)
                    if candidate_loss < least - 1e-9:
                        best, least, improved = candidate, candidate_loss, True
    return best


def held_out(sample: Sequence[Run]) -> Mapping[str, float]:
    """Return the ratio of each row by a fit to the rows of other GPUs, by row id."""
    ratios: dict[str, float] = {}
    for gpu in {run.row.gpu.name for run in sample}:
        rates = fit([run for run in sample if run.row.gpu.name != gpu])
        ratios |= {run.row.id: run.ratio(rates) for run in sample if run.row.gpu.name == gpu}
    return ratios


def quantile(sample: Sequence[Run], ratios: Mapping[str, float], share: float) -> float:
    """Return the weighted quantile of `ratios`, which are by row id."""
    weight = weights(sample)
    ranked = sorted((ratios[run.row.id], weight[run.row.id]) for run in sample)
    reach = share * sum(part for _, part in ranked)
    for value, part in ranked:
        reach -= part
        if reach <= 0:
            return value
    return ranked[-1][0]


def lines(sample: Sequence[Run]) -> Iterable[str]:
    """Yield the lines of the report."""
    groups: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in sample:
        groups[run.group].append(run)
        predicted = step_seconds(run.work, run.row.gpu)
        speed = run.row.tokens_per_second
        yield (
            f"{run.row.id:<50}{speed:>10.0f} tokens/s measured{speed * run.ratio():>10.0f} "
            f"predicted  {predicted:8.2f} s  {run.ratio():.2f}"
        )
    yield f"\n{'measured / predicted seconds':<70}rows  median   least    most"
    for group, members in groups.items():
        ratios = [run.ratio() for run in members]
        yield (
            f"{' '.join(group):<70}{len(ratios):>4}{median(ratios):>8.2f}{min(ratios):>8.2f}"
            f"{max(ratios):>8.2f}"
        )
    in_use = {run.row.id: run.ratio() for run in sample}
    others = held_out(sample)
    shares = (0.1, 0.5, 0.9)
    heading = f"\n10 %, median and 90 % of all, groups weighing the same (range in use: {SPREAD})"
    yield f"{heading}:\n  {_figures(quantile(sample, in_use, share) for share in shares)}"
    transferred = _figures(quantile(sample, others, share) for share in shares)
    yield f"of each GPU by the fit of the others:\n  {transferred}"
    for gpu in sorted({run.row.gpu.name for run in sample}):
        ratios = [others[run.row.id] for run in sample if run.row.gpu.name == gpu]
        yield (
            f"  {gpu:<22}{len(ratios):>4} rows: median {median(ratios):.2f}, "
            f"{min(ratios):.2f} to {max(ratios):.2f}"
        )
    fitted = fit(sample)
    yield f"fit:    {asdict(fitted)}, mean error {loss(sample, fitted):.3f}"
    yield f"in use: {asdict(CALIBRATED)}, mean error {loss(sample, CALIBRATED):.3f}"


def _figures(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    print("\n".join(lines(runs())))  # noqa: T201 - a report
