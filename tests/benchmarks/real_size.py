"""A short run at real size on any machine: `python -m tests.benchmarks.real_size [MODEL]`.

Writes a checkpoint with the shape of a released model and random weights, then trains two LoRA
steps on pages of 1024 x 1024 pixels with the job itself, which saves the adapter and verifies it.
Prints the parameters, the seconds and the peak memory of each phase, the seconds of a step and the
time to the first one. Without a GPU everything is float32, which few CPUs compute slower than
bfloat16: DeepSeek-OCR-2 then takes 14 GB and several minutes.

`--bits 4` quantizes; then no phase should hold the whole model in 16 bits. `--set KEY=VALUE`
changes a setting, so that two runs show what it saves. `--scaled` takes the small shape of a model.

Anonymous memory is what the process needs. Pages of the checkpoint's files are counted separately:
the system can drop them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.load import load_text
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.events import Event, parse_event
from tests.benchmarks import page_rows, random_checkpoint

SIDE = 1024  # pixels of a page
ROWS = 4
ANSWER = 64  # characters, which are tokens here
STEPS = 2
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Reading:
    """Resident memory of a process in bytes at time `t`: its own, and pages of files."""

    t: float
    anonymous: int
    files: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the job: its seconds, and the peaks of its memory in bytes."""

    name: str
    seconds: float
    anonymous: int
    files: int


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a run. `first_step` is from the start of the process to the first loss."""

    model: str
    phases: Sequence[Phase]
    seconds_per_step: float
    first_step: float
    losses: Sequence[float]
    verification: dict[str, Any]


def measure(
    root: Path, model: str, *, scaled: bool, bits: int = 0, overrides: Sequence[str] = ()
) -> Result:
    """Write checkpoint and pages to the folder `root`, train, and return the figures."""
    folder = random_checkpoint.write(root / "model", model, scaled=scaled)
    data = page_rows.write(root / "data", ROWS, width=SIDE, height=SIDE, answer=ANSWER)
    values: dict[str, Any] = {
        "kind": "training",
        "name": "real-size",
        "model": {"name_or_path": str(folder)},
        "quantization": {"enabled": bits > 0, "bits": bits or 4},
        "data": {"path": str(data), "max_length": 8192},
        "training": {
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 1,
            "max_steps": STEPS,
            "save_steps": STEPS,
        },
    }
    if not torch.cuda.is_available():
        values["model"]["dtype"], values["training"]["bf16"] = "float32", False
    text = load_text(yaml_text.dump(values), overrides).text
    os.environ["DEEPSYNTH_HOME"] = str(root / "home")
    run = create_run(root / "home", kind="training", name="real-size", config_text=text)
    started = time.time()
    readings = run_and_sample(run)
    lines = run.events.read_bytes().splitlines()
    events = [event for line in lines if (event := parse_event(line))]
    return summarize(model, started, events, readings)


def run_and_sample(run: RunDirectory) -> list[Reading]:
    """Run the job and return the readings of its memory."""
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)]
    readings: list[Reading] = []
    ended = threading.Event()
    with subprocess.Popen(command, stdout=sys.stderr) as process:

        def sample() -> None:
            while not ended.wait(SAMPLE_SECONDS):
                if reading := read_memory(process.pid):
                    readings.append(reading)

        thread = threading.Thread(target=sample)
        thread.start()
        code = process.wait()
        ended.set()
        thread.join()
    if code:
        raise RuntimeError(f"the job exited with {code}:\n{run.events.read_text()[-4000:]}")
    return readings


def read_memory(pid: int) -> Reading | None:
    """Read the memory of a process, or None if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "RssAnon" not in sizes:  # a zombie
        return None
    anonymous, files = (int(sizes[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile"))
    return Reading(time.time(), anonymous, files)


def summarize(
    model: str, started: float, events: Sequence[Event], readings: Sequence[Reading]
) -> Result:
    """Return the figures of a finished run."""
    metrics: list[Any] = [e for e in events if e.kind == "metric" and "loss" in e.data]
    measured: Any = [event.data for event in events if event.kind == "measured"][-1]
    done: Any = [event.data for event in events if event.kind == "done"][-1]
    return Result(
        model=model,
        phases=tuple(phases(started, events, readings)),
        seconds_per_step=measured["seconds_per_step"],
        first_step=metrics[0].t - started,
        losses=[event.data["loss"] for event in metrics],
        verification=done["verification"],
    )


def phases(started: float, events: Sequence[Event], readings: Sequence[Reading]) -> Iterator[Phase]:
    """Yield the phases of a run, the first of them from the start of its process."""
    starts = [(event.t, str(event.data["name"])) for event in events if event.kind == "phase"]
    bounds = [(started, "importing"), *starts, (events[-1].t, "")]
    for (begin, name), (end, _) in itertools.pairwise(bounds):
        within = [reading for reading in readings if begin <= reading.t < end]
        yield Phase(
            name=name,
            seconds=end - begin,
            anonymous=max((reading.anonymous for reading in within), default=0),
            files=max((reading.files for reading in within), default=0),
        )


def report(result: Result) -> Iterator[str]:
    """Yield the lines of the report."""
    step, first = result.seconds_per_step, result.first_step
    yield f"{result.model}: {step:.1f} s per step, the first one after {first:.0f} s"
    yield f"{'phase':12} {'seconds':>8} {'own memory':>11} {'of files':>9}"
    for phase in result.phases:
        own, files = phase.anonymous / 2**30, phase.files / 2**30
        yield f"{phase.name:12} {phase.seconds:8.1f} {own:7.2f} GiB {files:5.2f} GiB"
    yield f"losses {', '.join(f'{loss:.3f}' for loss in result.losses)}"
    yield f"verified: {json.dumps(result.verification)}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.real_size")
    models = random_checkpoint.SCALED
    parser.add_argument("model", nargs="?", default=random_checkpoint.DEEPSEEK, choices=models)
    parser.add_argument("--scaled", action="store_true", help="take the small shape of the model")
    parser.add_argument("--bits", type=int, choices=(0, 4, 8), default=0)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--folder", type=Path, help="for the checkpoint; needs its size on the disk"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(
            Path(folder),
            options.model,
            scaled=options.scaled,
            bits=options.bits,
            overrides=options.overrides,
        )
    lines = [json.dumps(asdict(result))] if options.json else report(result)
    print("\n".join(lines))  # noqa: T201 - a report


if __name__ == "__main__":
    main()
