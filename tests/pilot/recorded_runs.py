"""Run directories for the screens, with events as the jobs write them."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.liveness import ENDED, new_status, write_status

START = 1_790_000_000.0
"""When every recorded run was created, in seconds since the epoch."""

Recorded = tuple[float, str, dict[str, Any]]
"""Seconds after START, kind, fields."""


def append(run: RunDirectory, events: Sequence[Recorded]) -> None:
    """Append events at fixed times; `EventLog` would use the clock."""
    seq = len(run.events.read_bytes().splitlines()) if run.events.exists() else 0
    with run.events.open("a") as log:
        for t, kind, fields in events:
            seq += 1
            log.write(json.dumps({"v": 1, "seq": seq, "t": START + t, "kind": kind, **fields}))
            log.write("\n")


def new_run(
    home: Path,
    name: str,
    kind: str = "training",
    *,
    after: str | None = None,
    later: float = 0.0,
    config_text: str = "",
) -> RunDirectory:
    """Create a run directory without events, `later` seconds after START."""
    text = config_text or f"kind: {kind}\nname: {name}\n"
    return create_run(home, kind=kind, name=name, config_text=text, after=after, now=START + later)


def alive(run: RunDirectory, phase: str, *, at: float | None = None) -> None:
    """Make this process the job of the run, with a heartbeat at START + `at`, or now."""
    heartbeat = time.time() if at is None else START + at
    write_status(run, replace(new_status(START, os.getpid()), heartbeat=heartbeat, phase=phase))


def ended(run: RunDirectory) -> None:
    """Write the status of a job that has ended."""
    alive(run, ENDED, at=0)


def vanished(run: RunDirectory, phase: str = "training") -> None:
    """Write the status of a job whose process is gone without having ended properly."""
    own = replace(new_status(START, os.getpid()), heartbeat=START, phase=phase)
    write_status(run, replace(own, process_start="of a process that is gone"))


def training(steps: int, total: int = 120) -> Iterator[Recorded]:
    """Yield a training run: one step a second, an evaluation and a checkpoint every 20 steps."""
    yield 0.0, "phase", {"name": "starting", "detail": ""}
    yield 1.0, "phase", {"name": "loading", "detail": "builtin:tiny-vlm"}
    yield 3.0, "phase", {"name": "preparing", "detail": "sample-pages"}
    yield (
        5.0,
        "sample",
        {"input": INPUT, "target": TARGET, "output": "qq zx 0 0 0 the the", "when": "before"},
    )
    yield 6.0, "phase", {"name": "training", "detail": "442,368 trainable parameters"}
    for step in range(1, steps + 1):
        t = 6.0 + step
        if step % 4 == 1:
            yield t, "memory", {"host": 1_350_000_000 + step * 1_000_000}
        yield t, "progress", {"done": step, "total": total, "unit": "steps"}
        yield (
            t,
            "metric",
            {
                "step": step,
                "epoch": step / 40,
                "loss": loss(step),
                "learning_rate": 2e-4 * (1 + math.cos(math.pi * step / total)) / 2,
                "grad_norm": 1.0 + 0.3 * math.sin(step),
                "tokens_per_second": 5120.0,
            },
        )
        if step % 20 == 0:
            yield t, "metric", {"step": step, "eval_loss": loss(step) + 0.2}
            yield t, "checkpoint", {"path": f"checkpoints/checkpoint-{step}", "step": step}


def on_gpu(steps: int) -> Iterator[Recorded]:
    """Yield the estimate and what a GPU reports at each step."""
    estimate = {"allocated": 17 * 2**30, "device": 18 * 2**30, "seconds_per_step": 0.9}
    yield 5.0, "estimate", {**estimate, "source": "closed_form", "gpu": "NVIDIA H200"}
    for step in range(1, steps + 1):
        gpu = {
            "name": "NVIDIA H200",
            "index": 0,
            "total": 141 * 2**30,
            "utilisation": 80 + step % 15,
            "power": 400.0 + step % 20,
            "power_limit": 700.0,
            "temperature": 61,
        }
        memory = {"allocated": 17 * 2**30, "device": int(18.4 * 2**30), "host": 2**31}
        yield 6.0 + step, "memory", {"step": step, **memory, "gpu": gpu}


def evaluations(*answers: str, every: int = 20) -> Iterator[Recorded]:
    """Yield the answers to a page with a sum, from evaluation to evaluation, and their scores."""
    page = ["⣿⣭⣰⣶⢰⣶⢾⠆⠀⣯⡷⡶⣿⣶", "⠛⠛⠙⠛⠘⠚⠘⠂⠀⠃⠀⠃⠛⠛"] * 3
    row = {"input": "To pay: 97.12", "target": "97.12", "page": page}
    for number, answer in enumerate(answers, 1):
        t, step = 6.0 + every * number, every * number
        yield t, "sample", {**row, "output": answer, "when": "during", "step": step}
        exact = float(answer == "97.12")
        yield t, "metric", {"step": step, "eval_exact_match": exact, "eval_cer": 1 - exact}


def finish(t: float, run: RunDirectory) -> Iterator[Recorded]:
    """Yield the end of a completed training run."""
    yield t, "phase", {"name": "saving", "detail": ""}
    yield (
        t + 1,
        "sample",
        {"input": INPUT, "target": TARGET, "output": "Rain fills the wells.", "when": "after"},
    )
    yield t + 1, "phase", {"name": "verifying", "detail": str(run.adapter)}
    yield t + 2, "done", {"verdict": "completed", "path": str(run.adapter), "train_loss": 1.2}


def drawing(done: int, total: int = 40) -> Iterator[Recorded]:
    """Yield a dataset run that has drawn `done` documents."""
    yield 0.0, "phase", {"name": "starting", "detail": ""}
    yield 1.0, "phase", {"name": "reading", "detail": "builtin:sample"}
    yield 2.0, "phase", {"name": "drawing", "detail": "DejaVu Sans"}
    for i in range(done + 1):
        yield 2.0 + i, "progress", {"done": i, "total": total, "unit": "documents"}


def drawn(run: RunDirectory, total: int = 40) -> Iterator[Recorded]:
    """Yield the end of a completed dataset run."""
    yield 50.0, "phase", {"name": "writing", "detail": str(run.dataset)}
    yield (
        52.0,
        "done",
        {
            "verdict": "completed",
            "documents": total,
            "pages": 55,
            "dataset": str(run.dataset),
        },
    )


def loss(step: int) -> float:
    """Return the loss at a step: a decaying curve with fixed noise."""
    return 0.6 + 4 * math.exp(-step / 30) + 0.12 * math.sin(step * 2.4) * math.cos(step)


def console(steps: int, first: int = 1) -> str:
    """Return the console output of these steps."""
    lines = [
        f"step {step:>4}  loss {loss(step):.4f}  lr {2e-4:.1e}"
        for step in range(first, first + steps)
    ]
    return "".join(f"{line}\n" for line in lines)


INPUT = "Summarise the page. After eight dry months the wells of the valley stand full again."
TARGET = "Rain fills the valley's wells."
