"""Predicted and measured figures of a run as plain lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted, read_comparison
from deepsynth_tui.runs.job import Failure, Job, run_job
from deepsynth_tui.runs.liveness import ENDED, WAITING, own_status, write_status
from deepsynth_tui.workflows.follow import EventPrinter, print_console

GIB = 2**30
RunOf = Callable[..., RunDirectory]


@pytest.fixture
def run_of(home: Path) -> RunOf:
    """Make an ended run with these events."""

    def make(*events: Mapping[str, object]) -> RunDirectory:
        run = create_run(home, kind="training", name="x", config_text="")
        lines = [{"v": 1, "seq": n, "t": 9.0, **event} for n, event in enumerate(events, start=1)]
        run.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
        write_status(run, replace(own_status(1.0, seq_before=0), phase=ENDED))
        return run

    return make


def measured(home: Path) -> RunDirectory:
    """A run on a GPU that was predicted and measured."""
    run = create_run(home, kind="training", name="x", config_text="")

    def body(job: Job) -> str:
        guess = Predicted(20 * GIB, 22 * GIB, 2.0, gpu="Tesla T4")
        job.predicted(guess, {"estimated_vram_gb": 21.0})
        job.measured(Measured(allocated=25 * GIB, device=22 * GIB, seconds_per_step=1.0, steps=3))
        return "completed"

    assert run_job(run.path, body, explain=lambda error: Failure("", str(error), "")) == 0
    return run


def test_prediction_and_measurement_are_printed(home: Path):
    lines: list[str] = []
    assert EventPrinter(measured(home), lines.append).poll()
    assert "  estimated: 20.00 GiB allocated, 22.00 GiB in total, on Tesla T4" in lines
    (line,) = (line for line in lines if line.startswith("  measured: "))
    assert "25.00 GiB allocated, predicted 20.00 GiB (20 % too low)" in line
    assert "22.00 GiB of the device, predicted 22.00 GiB (right within 1 %)" in line
    assert "1 s per step, predicted 2 s (100 % too high)" in line


def test_a_loss_is_printed_beside_its_own_step(home: Path):
    run = create_run(home, kind="training", name="x", config_text="")

    def body(job: Job) -> str:
        for step in range(5):
            job.progress(step, 4, "steps")
            if step in (1, 2, 4):
                job.metric(step=step, loss=step / 10, learning_rate=0.5)
            if step == 2:
                job.metric(step=step, eval_loss=0.75)
        return "completed"

    assert run_job(run.path, body, explain=lambda error: Failure("", str(error), "")) == 0
    lines: list[str] = []
    assert EventPrinter(run, lines.append).poll()
    assert lines == [
        "starting",
        "  0/4 steps",
        "  1/4 steps  loss 0.1  learning_rate 0.5",
        "  2/4 steps  loss 0.2  learning_rate 0.5",
        "  2/4 steps  eval_loss 0.75",
        "  4/4 steps  loss 0.4  learning_rate 0.5",
        "completed",
    ]


def test_json_has_the_same_figures(home: Path):
    both = read_comparison(measured(home))
    assert both["predicted"]["allocated"] == 20 * GIB
    assert both["measured"]["allocated"] == 25 * GIB
    wrong = {"allocated": -0.2, "device": 0.0, "seconds_per_step": 1.0}
    assert both["prediction_error"] == pytest.approx(wrong)


def test_reason_of_a_failure_after_many_events(home: Path):
    run = create_run(home, kind="training", name="x", config_text="")

    def body(job: Job) -> str:
        for _ in range(400):
            job.sample(input="x" * 4000, target="", output="", when="during")
        raise ValueError("no room")

    def explain(error: BaseException) -> Failure:
        return Failure("", str(error), "make some")

    assert run_job(run.path, body, explain=explain) == 1
    lines: list[str] = []
    assert EventPrinter(run, lines.append).poll()
    assert lines == ["starting", "error: no room", "  make some", "failed"]


@pytest.mark.parametrize("value", [10**400, 1e308, None, "many", [], True])
def test_absurd_events_are_followed_to_the_end(run_of: RunOf, value: object):
    run = run_of(
        {"kind": "phase", "name": value, "detail": value},
        {"kind": "progress", "done": value, "total": value, "unit": value},
        {"kind": "metric", "step": value, "loss": value},
        {"kind": "checkpoint", "path": value},
        {"kind": "measured", "steps": 1, "allocated": value},
        {"kind": "error", "message": value, "advice": value},
        {"kind": "done", "verdict": "failed"},
    )
    lines: list[str] = []
    assert EventPrinter(run, lines.append).poll()
    assert lines[-1] == "failed"


def test_what_a_run_waits_for_is_printed_once(run_of: RunOf) -> None:
    phase = {"kind": "phase", "name": "waiting", "detail": "for 1 of 2 nodes"}
    run = run_of({"kind": "phase", "name": "starting", "detail": ""}, phase)
    now = time.time()
    write_status(run, replace(own_status(now, seq_before=0), phase=WAITING, heartbeat=now))
    lines: list[str] = []
    printer = EventPrinter(run, lines.append)
    assert not printer.poll()
    assert not printer.poll()
    assert lines == ["starting", "waiting for 1 of 2 nodes"]


def test_a_long_console_is_printed_in_few_calls(run_of: RunOf) -> None:
    run = run_of()
    lines = [f"line {number}" for number in range(10_000)]
    run.console.write_text("\n".join(lines) + "\n")
    printed: list[str] = []
    print_console(run, printed.append, follow=False)
    assert "\n".join(printed).split("\n") == lines
    assert len(printed) < 100
