"""What runs on this machine's GPUs really took: one line per run, only ever appended.

The file is `measurements.jsonl` of the data folder. It corrects the overhead that estimates
assume, tells how fast a GPU is against its data sheet, and knows configurations that ran before.
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
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted

VERSION = 1
LAST_RUNS = 20
"""A correction is the median over so many of the last runs on the same GPU ..."""
LEAST_RUNS = 2
"""... and none is made from fewer than this."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run. `when` in seconds since the epoch, `longest` the tokens of its longest row.

    `gpu` is the driver's name of its GPU, `kind` the catalogue's, empty if it has none.
    `settings` is the `memory_fingerprint` of its configuration. Where the run `ran_out` of memory, the
    measured figures are the least that it would have needed.
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
    """Where the history of this machine lies."""
    return home() / "measurements.jsonl"


def append_run(record: MeasuredRun) -> None:
    """Add a run in one write. A line that an earlier write left torn is closed first.

    Raises OSError when it cannot be written.
    """
    line = json.dumps({"v": VERSION, **asdict(record)}, separators=(",", ":")).encode() + b"\n"
    history_path().parent.mkdir(parents=True, exist_ok=True)
    file = os.open(history_path(), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, b"\n" + line if torn else line)
    finally:
        os.close(file)


def read_runs() -> tuple[MeasuredRun, ...]:
    """Every run on record, oldest first; none where there is no file.

    A torn line is passed over, and so are fields that this version does not know.
    """
    try:
        stat = history_path().stat()
    except FileNotFoundError:
        return ()
    return _read(history_path(), stat.st_size, stat.st_mtime_ns)


def measured_overhead(gpu_name: str | None = None) -> ProcessOverhead:
    """The overhead as measured on this machine with the installed PyTorch.

    `gpu_name` is as the driver gives it; None takes the GPU of the last run. `PUBLISHED_OVERHEAD` until
    `LEAST_RUNS` runs were measured there. See `overhead_from_runs` for the rule.
    """
    known = read_runs()
    if gpu_name is None and known:
        gpu_name = known[-1].gpu
    return overhead_from_runs(_alike(known, gpu_name))


def overhead_from_runs(runs: Sequence[MeasuredRun]) -> ProcessOverhead:
    """The overhead that runs of one GPU show.

    `context` is the median of device - reserved, `held` that of reserved - allocated over what was
    computed for it.
    """
    contexts: list[int] = []
    shares: list[float] = []
    for run in runs:
        took, computed = run.measured, run.predicted.held_back
        if run.ran_out or None in (took.device, took.reserved, took.allocated):
            continue
        device, reserved, allocated = took.device or 0, took.reserved or 0, took.allocated or 0
        if device >= reserved >= allocated and computed:
            contexts.append(device - reserved)
            shares.append((reserved - allocated) / computed)
    if len(contexts) < LEAST_RUNS:
        return PUBLISHED_OVERHEAD
    return ProcessOverhead(context=int(median(contexts)), cached_ratio=median(shares))


def step_time_ratios() -> Mapping[str, float]:
    """Measured over predicted step time by the catalogue's name of each GPU that has done at
    least `LEAST_RUNS`: the median of its last. 2 means twice as slow as predicted."""
    known = read_runs()
    found: dict[str, float] = {}
    for gpu, kind in {run.gpu: run.kind for run in known if run.kind}.items():
        ratios = [
            run.measured.seconds_per_step / run.predicted.seconds_per_step
            for run in _alike(known, gpu)
            if run.measured.seconds_per_step and run.predicted.seconds_per_step
        ]
        if len(ratios) >= LEAST_RUNS:
            found[kind] = median(ratios)
    return found


def find_measured_run(
    config: TrainingConfig, longest: int, gpu_name: str | None = None
) -> MeasuredRun | None:
    """The last run on this machine of this very configuration with rows this long, if any.

    It need not have the same rows, so its memory is that of `config` but its step time may not
    be. `gpu_name` asks for runs on that GPU alone.
    """
    wanted = memory_fingerprint(config)
    found = [
        run
        for run in _same_software(read_runs())
        if run.settings == wanted and run.longest == longest and gpu_name in (None, run.gpu)
    ]
    return found[-1] if found else None


def memory_fingerprint(config: TrainingConfig) -> str:
    """A hash of the model and of every setting that decides how much memory a step takes."""
    hashed: dict[str, Any] = {}
    for section in sections(TrainingConfig):
        names = {field.name for field in section.fields if field.affects_memory}
        if names:
            values = getattr(config, section.key).model_dump(mode="json", include=names)
            hashed[section.key] = values if values.get("enabled", True) else {"enabled": False}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:16]


def minor_version(version: str) -> str:
    """ "2.13" of "2.13.0+cu130"."""
    return ".".join(version.partition("+")[0].split(".")[:2])


def _alike(known: Sequence[MeasuredRun], gpu: str | None) -> Sequence[MeasuredRun]:
    """The last runs on one kind of GPU with the installed PyTorch."""
    return [run for run in _same_software(known) if run.gpu == gpu][-LAST_RUNS:]


def _same_software(known: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    installed = minor_version(metadata.version("torch"))
    return [run for run in known if minor_version(run.torch) == installed]


_PLAIN = {
    "when": (int, float),
    **dict.fromkeys(("gpu", "kind", "driver", "torch", "transformers", "model", "settings"), str),
    "longest": int,
    "ran_out": bool,
}
"""The types of a record's own fields."""


@lru_cache(maxsize=2)
def _read(file: Path, size: int, changed: int) -> tuple[MeasuredRun, ...]:
    """Read a history. `size` and `changed` key the cache to the file as it is."""
    lines = file.read_bytes().split(b"\n")
    return tuple(record for line in lines if (record := _parse(line)) is not None)


def _parse(line: bytes) -> MeasuredRun | None:
    """The record of a line, None when it holds none."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    predicted = Predicted.from_json(said.get("predicted"))
    measured = Measured.from_json(said.get("measured"))
    plain: dict[str, Any] = {name: said.get(name) for name in _PLAIN}
    fit = all(isinstance(plain[name], kind) for name, kind in _PLAIN.items())
    if predicted is None or measured is None or not fit:
        return None
    return MeasuredRun(**plain, predicted=predicted, measured=measured)
