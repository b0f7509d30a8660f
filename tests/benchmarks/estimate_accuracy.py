"""How accurate the estimate of memory is: ``python -m tests.benchmarks.estimate_accuracy``.

Prints the closed form against the simulation over `simulated_grid`, then against published
measurements, then both as a table in Markdown. ``--quick`` simulates one configuration of each
model; ``--published FILE`` takes measurements in the columns of
``tests/estimate/data/published.csv`` instead of those. Nothing is asserted here.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.closed_form import Estimate, estimate
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.training.simulation import client
from deepsynth_tui.training.simulation.simulate import simulate_step
from tests.benchmarks.simulated_grid import GRID, QWEN25, Case, architecture
from tests.estimate import models, published

GB = 1e9
KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """Bytes: in use at the peak; taken from a GPU that has plenty; the least that does."""

    allocated: int
    reserved: int
    least: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """A case both ways in bytes; `seconds` and `host` bytes are what simulating it took."""

    case: Case
    simulated: Figures
    computed: Figures
    seconds: float
    host: int

    @property
    def errors(self) -> Mapping[str, float]:
        """Shares by which the closed form is too high."""
        return {
            name: getattr(self.computed, name) / getattr(self.simulated, name) - 1
            for name in Figures.__slots__
        }


@dataclass(frozen=True, slots=True)
class Instrument:
    """What was read in a run, and what the estimate says of it. In bytes."""

    name: str
    measured: Callable[[published.Measurement], int | None]
    predicted: Callable[[Estimate], int]


INSTRUMENTS = (
    Instrument("max_memory_allocated", lambda row: row.allocated, lambda e: e.peak_allocated),
    Instrument(
        "max_memory_reserved",
        lambda row: row.reserved,
        lambda e: e.gpus[0].device - e.overhead.context,
    ),
    Instrument("nvidia-smi", lambda row: row.device, lambda e: e.gpus[0].device),
    Instrument("not named", lambda row: row.unnamed, lambda e: e.gpus[0].device),
)


def run(case: Case) -> Simulation:
    """Take the step of a case, and compute it."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    config, found = case.config, architecture(case.model)
    started = time.perf_counter()
    peak = simulate_step(config, found, image_dimensions(found), RowStatistics())
    seconds = time.perf_counter() - started
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE
    profile = models.layout_of(case.model, found, "model")
    found = estimate(config, profile, gpus=())
    computed = Figures(
        allocated=found.peak_allocated,
        reserved=found.peak_device - found.overhead.context,
        least=sum(found.breakdown.values()) - found.overhead.context,
    )
    simulated = Figures(peak.allocated, peak.reserved, peak.min_capacity)
    return Simulation(case, simulated, computed, seconds, host)


def simulations(cases: Sequence[Case]) -> Iterator[Simulation]:
    """Each case in a process of its own, forked from one that has the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([simulate_step.__module__])
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield from pool.map(run, cases)


def one_of_each_model(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The first case of each model."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.model, case)
    return tuple(first.values())


def summary(errors: Sequence[float]) -> str:
    """Signed median, median and largest absolute, mean: cells of a table in Markdown."""
    absolute = sorted(map(abs, errors))
    shares = f"{median(errors):+.1%} | {median(absolute):.1%} | {absolute[-1]:.1%}"
    return f"{len(errors)} | {shares} | {mean(errors):+.1%}"


def grid_lines(found: Iterable[Simulation], into: list[Simulation]) -> Iterator[str]:
    """A line for each simulation as it ends; they are gathered in `into`."""
    names = "".join(f"{name:>12}{'error':>8}" for name in Figures.__slots__)
    yield f"{names}{'seconds':>9}{'host GB':>8}"
    for one in found:
        into.append(one)
        figures = "".join(
            f"{getattr(one.simulated, name) / GB:12.3f}{error:+8.1%}"
            for name, error in one.errors.items()
        )
        yield f"{figures}{one.seconds:9.1f}{one.host / GB:8.2f}  {one.case}"
    kinds = {architecture(one.case.model).config.model_type for one in into}
    slowest, largest = max(into, key=lambda o: o.seconds), max(into, key=lambda o: o.host)
    yield f"{len(into)} configurations of {len(kinds)} architectures: {', '.join(sorted(kinds))}"
    for name in Figures.__slots__:
        worst = max(into, key=lambda one: abs(one.errors[name]))
        yield f"worst {name}: {worst.errors[name]:+.1%} {worst.case}"
    yield f"slowest: {slowest.seconds:.0f} s {slowest.case}"
    yield f"largest: {largest.host / GB:.2f} GB {largest.case}"


def through_the_child() -> Iterator[str]:
    """What asking for a simulation takes, from nothing: Qwen2.5-VL-3B, rows of 2048 tokens."""
    config = TrainingConfig.model_validate(
        {"model": {"name_or_path": QWEN25}, "data": {"max_length": 2048}}
    )
    started = time.perf_counter()
    found = client.request_simulation(config, RowStatistics(), timeout=600)
    seconds = time.perf_counter() - started
    host = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIBIBYTE
    yield (
        f"{QWEN25}, 1 x 2048, asked of a child process: {seconds:.1f} s, {found.seconds:.1f} of "
        f"them simulating, {host / GB:.2f} GB of host memory"
    )


@dataclass(frozen=True, slots=True)
class Error:
    """How far off the estimate of a published run is, as a share, by one instrument."""

    row: published.Measurement
    instrument: str
    share: float


def published_errors(rows: Iterable[published.Measurement]) -> list[Error]:
    """An error for every figure of every row."""
    found: list[Error] = []
    for row in rows:
        predicted = estimate(row.config, row.layout, gpus=(row.gpu,), stack=row.stack)
        for instrument in INSTRUMENTS:
            if (measured := instrument.measured(row)) is not None:
                share = instrument.predicted(predicted) / measured - 1
                found.append(Error(row, instrument.name, share))
    return found


def grouped(errors: Iterable[Error], by: Callable[[Error], str]) -> Mapping[str, list[float]]:
    """Shares by a name of theirs, in the order of first appearance."""
    groups: dict[str, list[float]] = defaultdict(list)
    for error in errors:
        groups[by(error)].append(error.share)
    return groups


def published_lines(errors: Sequence[Error]) -> Iterator[str]:
    """Errors by stack and by model for each instrument, and the ten largest."""
    ways: Sequence[Callable[[Error], str]] = (
        lambda e: f"{e.row.source.split()[0]}, {stack(e.row)}, {e.instrument}",
        lambda e: f"{e.row.layout.name}, {e.instrument}",
    )
    for by in ways:
        yield f"\n{'':<76}rows | median | median of absolute | worst | mean"
        for name, shares in grouped(errors, by).items():
            yield f"{name:<76}{summary(shares)}"
    yield "\nlargest errors"
    for error in sorted(errors, key=lambda e: -abs(e.share))[:10]:
        yield f"{error.share:+7.1%} {error.row.id}, {error.instrument}"


def stack(row: published.Measurement) -> str:
    """How a run trained, in two words."""
    quantised = "GPTQ" if row.gptq else f"{row.config.quantization.bits} bits"
    method = "LoRA" if row.config.lora.enabled else "full"
    return f"{method} {quantised}" if row.config.quantization.enabled else f"{method} 16 bits"


def markdown(found: Sequence[Simulation], errors: Sequence[Error]) -> Iterator[str]:
    """The table of the README."""
    yield "\n| closed form against | cases | median | median of absolute | worst | mean |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in Figures.__slots__:
        yield f"| the simulation, {name} | {summary([one.errors[name] for one in found])} |"
    by_source = grouped(errors, lambda e: f"{e.row.source.split()[0]}, {e.instrument}")
    for name, shares in by_source.items():
        yield f"| {name} | {summary(shares)} |"


def report(cases: Sequence[Case], file: Path) -> Iterator[str]:
    """Everything, line by line as it is found."""
    found: list[Simulation] = []
    yield from grid_lines(simulations(cases), found)
    yield from through_the_child()
    errors = published_errors(published.measurements(file))
    yield from published_lines(errors)
    yield from markdown(found, errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, default=published.ROWS, metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    cases = one_of_each_model(GRID) if asked.quick else GRID
    for line in report(cases, asked.published):
        print(line, flush=True)  # noqa: T201 - a report


if __name__ == "__main__":
    main()
