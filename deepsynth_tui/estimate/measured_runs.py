"""Measured memory and step time of runs on this machine, in an append-only file.

`measurements.jsonl` in the data folder has one line per run. It corrects the overhead that
estimates assume, gives the speed of a GPU relative to its data sheet, and finds runs of the same
configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from deepsynth_tui.config.fields import sections
from deepsynth_tui.config.locations import home
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import decided_variants
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.runs.private_folder import make_private

VERSION = 1
MAX_RUNS = 20
"""Number of the last runs on a GPU whose median is used."""
MIN_RUNS = 2
"""Runs that a correction needs at least."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run. `when` is in seconds since the epoch, `longest` the tokens of its longest row.

    `gpu` is the driver's name of its GPU, `kind` the catalogue's, empty without an entry.
    `settings` is the `memory_fingerprint` of its configuration. If the run `ran_out` of memory, the
    measured bytes are a lower bound of what it needs.
    """

    when: float
    gpu: str
    kind: str
    driver: str
    torch: str
    transformers: str
    model: str
    settings: str
    longest: int
    ran_out: bool
    predicted: Predicted
    measured: Measured


def history_path() -> Path:
    """The file with the measured runs of this machine."""
    return home() / "measurements.jsonl"


def append_run(run: MeasuredRun) -> None:
    """Append a run in a single write, after ending a partial line that a crash left.

    Raises:
        OSError: the file cannot be written.
    """
    line = json.dumps({"v": VERSION, **asdict(run)}, separators=(",", ":")).encode() + b"\n"
    make_private(history_path().parent)
    file = os.open(history_path(), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(file).st_size
        is_partial = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, b"\n" + line if is_partial else line)
    finally:
        os.close(file)


def read_runs() -> tuple[MeasuredRun, ...]:
    """Return all measured runs, oldest first; empty without a file.

    Partial lines and unknown fields are skipped.
    """
    try:
        stat = history_path().stat()
    except FileNotFoundError:
        return ()
    return _read(history_path(), stat.st_size, stat.st_mtime_ns)


def measured_overhead(gpu_name: str | None = None) -> ProcessOverhead:
    """Return the overhead measured on this machine with the installed PyTorch.

    `gpu_name` is the driver's name; None means the GPU of the last run. `PUBLISHED_OVERHEAD` if
    there are fewer than `MIN_RUNS` runs. See `overhead_from_runs`.
    """
    runs = read_runs()
    if gpu_name is None and runs:
        gpu_name = runs[-1].gpu
    return overhead_from_runs(_comparable(runs, gpu_name))


def overhead_from_runs(runs: Sequence[MeasuredRun]) -> ProcessOverhead:
    """Return the overhead of runs on one GPU.

    `context` is the median of device - reserved, `cached_ratio` that of reserved - allocated over
    the computed cached bytes.
    """
    contexts: list[int] = []
    ratios: list[float] = []
    for run in runs:
        measured, computed = run.measured, run.predicted.held_back
        if run.ran_out or None in (measured.device, measured.reserved, measured.allocated):
            continue
        device = measured.device or 0
        reserved, allocated = measured.reserved or 0, measured.allocated or 0
        if device >= reserved >= allocated and computed:
            contexts.append(device - reserved)
            ratios.append((reserved - allocated) / computed)
    if len(contexts) < MIN_RUNS:
        return PUBLISHED_OVERHEAD
    return ProcessOverhead(context=int(median(contexts)), cached_ratio=median(ratios))


def step_time_ratios() -> Mapping[str, float]:
    """Return measured over predicted step time by the catalogue's name of a GPU.

    The ratio is the median of the last runs, for GPUs with at least `MIN_RUNS` runs; 2 means twice
    as slow as predicted.
    """
    runs = read_runs()
    medians: dict[str, float] = {}
    for gpu, kind in {run.gpu: run.kind for run in runs if run.kind}.items():
        ratios = [
            run.measured.seconds_per_step / run.predicted.seconds_per_step
            for run in _comparable(runs, gpu)
            if run.measured.seconds_per_step and run.predicted.seconds_per_step
        ]
        if len(ratios) >= MIN_RUNS:
            medians[kind] = median(ratios)
    return medians


def find_measured_run(
    config: TrainingConfig, longest: int, gpu_name: str | None = None
) -> MeasuredRun | None:
    """Return the last run of the same configuration whose longest row has `longest` tokens.

    Its other rows may differ, so its memory is that of `config` but its step time may not be.
    `gpu_name` restricts the search to runs on that GPU.
    """
    settings = {memory_fingerprint(variant) for variant in decided_variants(config)}
    matches = [
        run
        for run in _same_torch(read_runs())
        if run.settings in settings and run.longest == longest and gpu_name in (None, run.gpu)
    ]
    return matches[-1] if matches else None


def memory_fingerprint(config: TrainingConfig) -> str:
    """Return a hash of the model and all settings that the memory of a step depends on."""
    hashed: dict[str, Any] = {}
    for section in sections(TrainingConfig):
        names = {field.name for field in section.fields if field.affects_memory}
        if names:
            values = getattr(config, section.key).model_dump(mode="json", include=names)
            hashed[section.key] = values if values.get("enabled", True) else {"enabled": False}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:16]


def minor_version(version: str) -> str:
    """Return the first two numbers of a version: "2.13" of "2.13.0+cu130"."""
    return ".".join(version.partition("+")[0].split(".")[:2])


def _comparable(runs: Sequence[MeasuredRun], gpu: str | None) -> Sequence[MeasuredRun]:
    """The last runs on a GPU with the installed PyTorch."""
    return [run for run in _same_torch(runs) if run.gpu == gpu][-MAX_RUNS:]


def _same_torch(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    installed = minor_version(metadata.version("torch"))
    return [run for run in runs if minor_version(run.torch) == installed]


_FIELD_TYPES = {
    "when": (int, float),
    **dict.fromkeys(("gpu", "kind", "driver", "torch", "transformers", "model", "settings"), str),
    "longest": int,
    "ran_out": bool,
}
"""Types of the scalar fields of `MeasuredRun`."""


@lru_cache(maxsize=2)
def _read(file: Path, size: int, mtime_ns: int) -> tuple[MeasuredRun, ...]:
    """Read the file. `size` and `mtime_ns` are part of the cache key only."""
    lines = file.read_bytes().split(b"\n")
    return tuple(run for line in lines if (run := _parse(line)) is not None)


def _parse(line: bytes) -> MeasuredRun | None:
    """The run of a line, None if the line is not valid."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    predicted = Predicted.from_json(data.get("predicted"))
    measured = Measured.from_json(data.get("measured"))
    scalars: dict[str, Any] = {name: data.get(name) for name in _FIELD_TYPES}
    valid = all(isinstance(scalars[name], types) for name, types in _FIELD_TYPES.items())
    if predicted is None or measured is None or not valid:
        return None
    return MeasuredRun(**scalars, predicted=predicted, measured=measured)
