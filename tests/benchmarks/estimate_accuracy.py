"""How accurate the estimate of memory is: ``python -m tests.benchmarks.estimate_accuracy``.

Compares the closed form with the simulation over `simulated_grid`, then with published
measurements, and prints both and a Markdown table. ``--quick`` simulates one configuration of each
model; ``--published FILE`` reads measurements from another file with the columns of
``tests/estimate/data/published.csv``. Nothing is asserted here.
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
from deepsynth_tui.estimate.closed_form import estimate
from deepsynth_tui.estimate.resources import Estimate
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
    """Bytes: allocated at the peak; reserved on a large GPU; the least capacity that works."""

    allocated: int
    reserved: int
    least: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """The figures of a case by both ways; its simulation took `seconds` and `host` bytes."""

    case: Case
    simulated: Figures
    computed: Figures
    seconds: float
    host: int

    @property
    def errors(self) -> Mapping[str, float]:
        """Relative error of the closed form; positive means too high."""
        return {
            name: getattr(self.computed, name) / getattr(self.simulated, name) - 1
            for name in Figures.__slots__
        }


@dataclass(frozen=True, slots=True)
class Instrument:
    """A measured figure of a run and the same figure of its estimate, in bytes."""

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


def simulate_and_estimate(case: Case) -> Simulation:
    """Simulate a step of `case` and estimate its memory by the closed form."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    config, hub_config = case.config, architecture(case.model)
    started = time.perf_counter()
    peak = simulate_step(config, hub_config, image_dimensions(hub_config), RowStatistics())
    seconds = time.perf_counter() - started
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE
    profile = models.layout_of(case.model, hub_config, "model")
    predicted = estimate(config, profile, gpus=())
    computed = Figures(
        allocated=predicted.peak_allocated,
        reserved=predicted.peak_device - predicted.overhead.context,
        least=sum(predicted.breakdown.values()) - predicted.overhead.context,
    )
    simulated = Figures(peak.allocated, peak.reserved, peak.min_capacity)
    return Simulation(case, simulated, computed, seconds, host)


def simulations(cases: Sequence[Case]) -> Iterator[Simulation]:
    """Run each case in its own process, forked from one that has imported the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([simulate_step.__module__])
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield from pool.map(simulate_and_estimate, cases)


def first_of_each_model(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return the first case of each model."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.model, case)
    return tuple(first.values())


def summary(errors: Sequence[float]) -> str:
    """Format as Markdown cells: count, median, median and largest absolute error, mean."""
    absolute = sorted(map(abs, errors))
    shares = f"{median(errors):+.1%} | {median(absolute):.1%} | {absolute[-1]:.1%}"
    return f"{len(errors)} | {shares} | {mean(errors):+.1%}"


def grid_lines(results: Iterable[Simulation], finished: list[Simulation]) -> Iterator[str]:
    """Yield a line for each of `results` as it ends, and append it to `finished`."""
    header = "".join(f"{name:>12}{'error':>8}" for name in Figures.__slots__)
    yield f"{header}{'seconds':>9}{'host GB':>8}"
    for simulation in results:
        finished.append(simulation)
        figures = "".join(
            f"{getattr(simulation.simulated, name) / GB:12.3f}{error:+8.1%}"
            for name, error in simulation.errors.items()
        )
        yield f"{figures}{simulation.seconds:9.1f}{simulation.host / GB:8.2f}  {simulation.case}"
    kinds = {architecture(simulation.case.model).config.model_type for simulation in finished}
    slowest = max(finished, key=lambda simulation: simulation.seconds)
    largest = max(finished, key=lambda simulation: simulation.host)
    names = ", ".join(sorted(kinds))
    yield f"{len(finished)} configurations of {len(kinds)} architectures: {names}"
    for name in Figures.__slots__:
        worst = max(finished, key=lambda simulation: abs(simulation.errors[name]))
        yield f"worst {name}: {worst.errors[name]:+.1%} {worst.case}"
    yield f"slowest: {slowest.seconds:.0f} s {slowest.case}"
    yield f"largest: {largest.host / GB:.2f} GB {largest.case}"


def child_process_lines() -> Iterator[str]:
    """Yield the time and memory of a simulation in a new child process: rows of 2048 tokens."""
    config = TrainingConfig.model_validate(
        {"model": {"name_or_path": QWEN25}, "data": {"max_length": 2048}}
    )
    started = time.perf_counter()
    result = client.request_simulation(config, RowStatistics(), timeout=600)
    seconds = time.perf_counter() - started
    host = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIBIBYTE
    yield (
        f"{QWEN25}, 1 x 2048, asked of a child process: {seconds:.1f} s, {result.seconds:.1f} of "
        f"them simulating, {host / GB:.2f} GB of host memory"
    )


@dataclass(frozen=True, slots=True)
class Error:
    """The relative error of the estimate of a published run, by one instrument."""

    row: published.Measurement
    instrument: str
    share: float


def published_errors(rows: Iterable[published.Measurement]) -> list[Error]:
    """Return an error for every measured figure of every row."""
    errors: list[Error] = []
    for row in rows:
        predicted = estimate(row.config, row.layout, gpus=(row.gpu,), stack=row.stack)
        for instrument in INSTRUMENTS:
            if (measured := instrument.measured(row)) is not None:
                share = instrument.predicted(predicted) / measured - 1
                errors.append(Error(row, instrument.name, share))
    return errors


def grouped(errors: Iterable[Error], by: Callable[[Error], str]) -> Mapping[str, list[float]]:
    """Group shares by the name that `by` returns, in order of first appearance."""
    groups: dict[str, list[float]] = defaultdict(list)
    for error in errors:
        groups[by(error)].append(error.share)
    return groups


def published_lines(errors: Sequence[Error]) -> Iterator[str]:
    """Yield errors by stack and by model for each instrument, and the ten largest."""
    groupings: Sequence[Callable[[Error], str]] = (
        lambda e: f"{e.row.source.split()[0]}, {stack(e.row)}, {e.instrument}",
        lambda e: f"{e.row.layout.name}, {e.instrument}",
    )
    for by in groupings:
        yield f"\n{'':<76}rows | median | median of absolute | worst | mean"
        for name, shares in grouped(errors, by).items():
            yield f"{name:<76}{summary(shares)}"
    yield "\nlargest errors"
    for error in sorted(errors, key=lambda e: -abs(e.share))[:10]:
        yield f"{error.share:+7.1%} {error.row.id}, {error.instrument}"


def stack(row: published.Measurement) -> str:
    """Return the method and the bits of the weights of a run."""
    quantised = "GPTQ" if row.gptq else f"{row.config.quantization.bits} bits"
    method = "LoRA" if row.config.lora.enabled else "full"
    return f"{method} {quantised}" if row.config.quantization.enabled else f"{method} 16 bits"


def markdown(results: Sequence[Simulation], errors: Sequence[Error]) -> Iterator[str]:
    """Yield the Markdown table of the README."""
    yield "\n| closed form against | cases | median | median of absolute | worst | mean |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in Figures.__slots__:
        cells = summary([simulation.errors[name] for simulation in results])
        yield f"| the simulation, {name} | {cells} |"
    by_source = grouped(errors, lambda e: f"{e.row.source.split()[0]}, {e.instrument}")
    for name, shares in by_source.items():
        yield f"| {name} | {summary(shares)} |"


def report(cases: Sequence[Case], file: Path) -> Iterator[str]:
    """Yield the lines of the report as they are computed."""
    results: list[Simulation] = []
    yield from grid_lines(simulations(cases), results)
    yield from child_process_lines()
    errors = published_errors(published.measurements(file))
    yield from published_lines(errors)
    yield from markdown(results, errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, default=published.ROWS, metavar="FILE")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    cases = first_of_each_model(GRID) if options.quick else GRID
    for line in report(cases, options.published):
        print(line, flush=True)  # noqa: T201 - a report


if __name__ == "__main__":
    main()
