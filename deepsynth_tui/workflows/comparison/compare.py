"""Compare runs. Imports neither torch nor what trains: screens call it in their own process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepsynth_tui.config.leaves import leaves
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from deepsynth_tui.machine.match_gpu import match_gpu
from deepsynth_tui.runs.curves import Curves, read_curves
from deepsynth_tui.runs.directory import (
    RunDirectory,
    RunDirectoryError,
    RunUnreadable,
    read_identity,
)
from deepsynth_tui.runs.liveness import WAITING
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.state_reader import StateReader
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.workflows.comparison.exams import shared_exam
from deepsynth_tui.workflows.comparison.figures import FIGURES, Number

NOT_COMPARED = ("name", "output.dir")
"""Settings that name a run."""
SCORES = ("eval_loss", "eval_exact_match", "eval_cer", "eval_rouge_l", "eval_cut_answers")
COUNTS = ("documents", "pages", "rows", "skipped")
_MISSING = object()


class CannotCompare(RunDirectoryError):
    """These runs cannot be compared."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run with its settings by dotted key, its figures by their names in `FIGURES`, and curves.

    `settings` is None where the configuration cannot be read. `gpu` is what it trained on, empty
    for a CPU or if unknown.
    """

    run: RunDirectory
    name: str
    kind: str
    state: str
    created: float
    gpu: str
    settings: Mapping[str, Any] | None
    figures: Mapping[str, Number]
    curves: Curves

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types, without the points of the curves."""
        return {
            "id": self.run.id,
            "path": str(self.run.path),
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "created": self.created,
            "gpu": self.gpu,
            "figures": {name: self.figures.get(name) for name in FIGURES},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one kind beside each other.

    `differing` has the values of a setting, one for each run and None where a run does not have
    it; `equal` counts the settings that are the same. `notes` say what could not be compared.
    """

    runs: tuple[ComparedRun, ...]
    differing: Mapping[str, tuple[Any, ...]]
    equal: int
    notes: tuple[str, ...]

    def shown_figures(self) -> list[str]:
        """Return the figures that at least one of the runs has."""
        return [name for name in FIGURES if any(name in run.figures for run in self.runs)]

    def best(self, figure: str) -> frozenset[int]:
        """Return which runs have the best value, none if all values are the same or one."""
        lower = FIGURES[figure].lower_is_better
        values = [run.figures[figure] for run in self.runs if figure in run.figures]
        if lower is None or len(set(values)) < 2:
            return frozenset()
        best = min(values) if lower else max(values)
        return frozenset(
            index for index, run in enumerate(self.runs) if run.figures.get(figure) == best
        )

    def curve_names(self) -> list[str]:
        """Return the metrics that at least one of the runs has a curve of."""
        return list(dict.fromkeys(name for run in self.runs for name in run.curves.points))

    def labels(self) -> list[str]:
        """Return what to call each run: its name, or its id where two share a name."""
        names = [run.name for run in self.runs]
        return [run.run.id if names.count(run.name) > 1 else run.name for run in self.runs]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON types; a curve is a list for each of its columns."""
        return {
            "runs": [{**run.to_json(), "curves": _columns(run.curves)} for run in self.runs],
            "differing_settings": {key: list(values) for key, values in self.differing.items()},
            "equal_settings": self.equal,
            "notes": list(self.notes),
        }


def compare_runs(runs: Sequence[RunDirectory]) -> Comparison:
    """Compare runs of one kind, live ones as they are now.

    Raises:
        CannotCompare: they are less than two, or of different kinds.
        RunNotFound: a run is gone.
        RunUnreadable: the `run.json` or the log of a run cannot be read.
        CatalogueError: the GPU catalogue, which has the prices, is not valid.
    """
    runs = list({run.path.resolve(): run for run in runs}.values())
    if len(runs) < 2:
        raise CannotCompare("One run cannot be compared", "Name two or more runs")
    notes: list[str] = []
    gpus = load_catalogue()
    compared = tuple(_compared(run, gpus, notes) for run in runs)
    if len({run.kind for run in compared}) > 1:
        kinds = ", ".join(f"{run.run.id} is a {run.kind} run" for run in compared)
        raise CannotCompare(f"These runs are of different kinds: {kinds}", "Name runs of one kind")
    exam = shared_exam(home(), runs)
    notes += exam.notes
    compared = tuple(
        replace(run, figures={**run.figures, **(scores or {})})
        for run, scores in zip(compared, exam.scores, strict=True)
    )
    differing, equal = _differing([run.settings for run in compared])
    return Comparison(compared, differing, equal, tuple(dict.fromkeys(notes)))


def _compared(run: RunDirectory, gpus: Sequence[Gpu], notes: list[str]) -> ComparedRun:
    identity, summary = read_identity(run), summarize(run)
    try:
        reader, curves = StateReader(run), read_curves(run)
        reader.poll()
    except OSError as error:
        reason = f"{run.events.name}: {error.strerror or error}"
        raise RunUnreadable(run.id, reason, run.path) from error
    state = reader.state
    if summary.is_live:
        notes.append(f"{run.id} is {summary.state}: its figures are those so far")
    if state.unreadable_lines:
        notes.append(f"{run.id}: {state.unreadable_lines} lines of its log cannot be read")
    if curves.points and curves.tokens is None:
        notes.append(
            f"{run.id} recorded no tokens, or continues a run that did: no curve over them"
        )
    settings = _settings(run, notes)
    device = state.predicted.gpu if state.predicted else ""
    figures = dict(_figures(state, curves))
    if device and settings and "run_seconds" in figures:
        gpu = _priced(device, gpus)
        if gpu is None or gpu.price_per_hour is None:
            notes.append(f"{run.id}: no price is known of {device}")
        else:
            count = settings.get("training.num_processes") or 1
            figures["cost_usd"] = figures["run_seconds"] / 3600 * gpu.price_per_hour * count
            notes.append(
                f"cost: {count} x {gpu.name} at ${gpu.price_per_hour}/h, {gpu.price_source}"
            )
    return ComparedRun(
        run,
        identity.name,
        identity.kind,
        summary.state,
        identity.created,
        device,
        settings,
        {name: figures[name] for name in FIGURES if name in figures},
        curves,
    )


def _figures(state: RunState, curves: Curves) -> Iterator[tuple[str, Number]]:
    if state.step is not None:
        yield "steps", state.step
    if state.last_loss is not None:
        yield "loss", state.last_loss
    for name in SCORES:
        if points := state.series.get(name):
            yield name, points[-1][1]
    if held_out := state.series.get("eval_loss"):
        step, loss = min(held_out, key=lambda point: point[1])
        yield "best_eval_loss", loss
        yield "best_eval_step", step
    for name in COUNTS:
        if isinstance(count := state.results.get(name), int):
            yield name, count
    predicted, measured = state.predicted, state.measured
    figures = {
        # What the estimate says of a GPU is no prediction for a run on a CPU.
        "predicted_allocated_bytes": predicted.allocated if predicted and predicted.gpu else None,
        "predicted_device_bytes": predicted.device if predicted and predicted.gpu else None,
        "predicted_seconds_per_step": predicted.seconds_per_step if predicted else None,
        "measured_allocated_bytes": measured.allocated if measured else None,
        "measured_device_bytes": measured.device if measured else None,
        "measured_host_bytes": measured.host if measured else state.peak_memory.host,
        "measured_seconds_per_step": measured.seconds_per_step if measured else None,
        "training_seconds": curves.seconds,
        "run_seconds": _run_seconds(state),
        "tokens": curves.tokens,
    }
    yield from ((name, value) for name, value in figures.items() if value is not None)


def _run_seconds(state: RunState) -> float | None:
    """Return how long the processes of the run have worked, without waiting for another run."""
    spans = [
        (phase.ended or state.updated or phase.started) - phase.started
        for phase in state.phases
        if phase.name != WAITING
    ]
    return sum(span for span in spans if span > 0) or None


def _priced(device: str, gpus: Iterable[Gpu]) -> Gpu | None:
    """Return the catalogue entry of a device by its name alone, None if two entries fit it."""
    named = [gpu for gpu in gpus if match_gpu(device, gpu.usable_bytes, [gpu])]
    if len(named) > 1:  # "NVIDIA A100-SXM4-80GB"
        named = [gpu for gpu in named if f"{gpu.memory_gib}gb" in device.lower()]
    return named[0] if len(named) == 1 else None


def _settings(run: RunDirectory, notes: list[str]) -> Mapping[str, Any] | None:
    try:
        config = load_file(run.config, of_run=True).config
    except (ConfigError, OSError) as error:
        notes.append(f"The settings of {run.id} cannot be read: {error}")
        return None
    settings = leaves(config.model_dump(mode="json"))
    return {key: value for key, value in settings if key not in NOT_COMPARED}


def _differing(
    settings: Sequence[Mapping[str, Any] | None],
) -> tuple[dict[str, tuple[Any, ...]], int]:
    known = [values for values in settings if values is not None]
    keys = dict.fromkeys(key for values in known for key in values)
    differing = {}
    for key in keys:
        values = [values.get(key, _MISSING) for values in known]
        if any(value != values[0] for value in values):
            differing[key] = tuple(values.get(key) if values else None for values in settings)
    return differing, len(keys) - len(differing)


def _columns(curves: Curves) -> dict[str, dict[str, list[Number | None]]]:
    return {
        name: {
            "step": [point.step for point in points],
            "value": [point.value for point in points],
            "tokens": [point.tokens for point in points],
            "seconds": [point.seconds for point in points],
        }
        for name, points in curves.points.items()
    }
