"""A run saves its estimate and compares it with measurements."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.machine.gpu_catalogue import load_catalogue
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.estimate_vs_measured import Measured, read_comparison
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training import estimate_record
from deepsynth_tui.training.callbacks.memory_time import MemoryMeter, MemoryTimeCallback
from deepsynth_tui.training.estimate_record import (
    Hardware,
    RunEstimate,
    checkpointing_needed,
    estimate_run,
    explain_by_estimate,
    history_record,
    record_against,
)
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.failures.memory import out_of_memory_failure
from tests.training.conftest import Ran, Run, configuration

GIB = 2**30
T4 = next(gpu for gpu in load_catalogue() if gpu.name.startswith("T4"))
ROWS = RowStatistics(rows=100, lengths=(40, 60, 64))


@pytest.fixture
def expected(values: dict[str, Any]) -> RunEstimate:
    """The estimate of a small run, as if this machine had a T4."""
    run_estimate = estimate_run(configuration(values), ROWS)
    hardware = Hardware("Tesla T4", T4.usable_bytes, T4)
    return RunEstimate(run_estimate.config, run_estimate.inputs, run_estimate.estimate, hardware)


@pytest.mark.slow
def test_a_run_saves_its_estimate_and_is_compared_with_it(run: Run) -> None:
    ran = run(training__max_steps=4)

    (event,) = ran.of("estimate")
    frozen = json.loads(ran.run.estimate.read_text())
    assert frozen["peak_allocated_bytes"] == event.data["allocated"] > 0
    assert frozen["peak_device_bytes"] == event.data["device"]
    assert frozen["tokens_per_sample"] == 55  # the longest row, not data.max_length
    assert frozen["steps"] == 4
    kinds = [event.kind for event in ran.events]
    assert kinds.index("estimate") < kinds.index("metric")

    both = read_comparison(ran.run)
    assert both["predicted"]["source"] == "closed_form"
    assert both["measured"]["steps"] == 4
    assert both["measured"]["seconds_per_step"] > 0
    assert both["measured"]["host"] > 100 << 20
    if not torch.cuda.is_available():  # no GPU figures, no comparison, no history
        assert event.data["gpu"] == ""
        assert {both["measured"][name] for name in ("allocated", "reserved", "device")} == {None}
        assert both["prediction_error"] == {}
        assert measured_runs.read_runs() == ()


@pytest.mark.slow
def test_a_run_completes_with_a_warning_when_its_estimate_fails(run: Run, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "gpus.yaml").write_text("gpus: [{name: mine}]")
    ran = run()

    assert ran.verdict == "completed", ran.failure
    (warning,) = ran.of("warning")
    assert "This run has no estimate: CatalogueError" in warning.data["message"]
    assert "gpus.yaml" in warning.data["message"]
    assert not ran.run.estimate.exists()
    assert len(ran.of("measured")) == 2


def test_the_speed_is_predicted_for_the_gpu_of_the_run(expected: RunEstimate) -> None:
    row = next(row for row in expected.estimate.gpus if row.gpu == T4)
    assert expected.predicted.seconds_per_step == row.seconds_per_step
    unknown = Hardware("NVIDIA GB10", T4.usable_bytes, None)
    elsewhere = RunEstimate(expected.config, expected.inputs, expected.estimate, unknown)
    assert elsewhere.predicted.seconds_per_step is None
    assert elsewhere.predicted.gpu == "NVIDIA GB10"


def test_the_history_finds_a_record_by_its_settings(expected: RunEstimate) -> None:
    assert expected.hardware is not None
    measured = Measured(allocated=1, steps=3)
    line = history_record(expected, expected.hardware, measured, driver="580.1", ran_out=False)
    measured_runs.append_run(line)
    assert measured_runs.find_measured_run(expected.config, 64) == line
    assert (line.torch, line.driver, line.gpu) == (version("torch"), "580.1", "Tesla T4")


def test_running_out_of_memory_is_explained_by_the_estimate_and_recorded(
    home: Path, expected: RunEstimate
) -> None:
    def body(job: Job) -> str:
        memory_time = MemoryTimeCallback(job, MemoryMeter())
        with record_against(expected, job, memory_time):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.2 GiB")
        return "completed"

    run = create_run(home, kind="training", name="full", config_text="")
    ran = Ran(run, run_job(run.path, body, explain=explain))

    assert ran.of("error")[-1].data["class"] == "OutOfMemoryError"
    assert "The GPU ran out of memory: 1.2 GiB more were requested" in ran.failure
    assert "The run was estimated to need 0.6 GiB, mostly overhead" in ran.failure
    assert "The cheapest change that helps" in ran.failure or "No change" in ran.failure
    assert ran.of("measured")
    (line,) = measured_runs.read_runs()
    assert line.ran_out
    assert measured_runs.measured_overhead(line.gpu) == measured_runs.overhead_from_runs([])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["pytorch", "cublas"],
)
def test_another_rank_gets_the_same_explanation_and_records_nothing(
    home: Path, expected: RunEstimate, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    big = configuration(
        expected.config.model_dump(),
        data__max_length=2048,
        training__per_device_train_batch_size=64,
    )
    here = Hardware("Tesla T4", T4.usable_bytes, T4)
    monkeypatch.setattr(estimate_record, "_hardware", lambda gpus: here)

    def body(job: Job) -> str:
        with explain_by_estimate(job, big, RowStatistics(rows=100, lengths=(2048,))):
            raise error
        return "completed"

    run = create_run(home, kind="training", name="second", config_text="")
    ran = Ran(run, run_job(run.path, body, explain=explain))
    assert ran.of("error")[-1].data["changes"]
    assert "The run was estimated to need" in ran.failure
    assert not ran.of("estimate")
    assert not ran.of("measured")
    assert not run.estimate.exists()
    assert measured_runs.read_runs() == ()


def test_another_error_is_left_alone(home: Path, expected: RunEstimate) -> None:
    def body(job: Job) -> str:
        with explain_by_estimate(job, expected.config, ROWS):
            raise RuntimeError("shape mismatch")
        return "completed"

    run = create_run(home, kind="training", name="second", config_text="")
    ran = Ran(run, run_job(run.path, body, explain=explain))
    assert ran.of("error")[-1].data["message"] == "shape mismatch"


def test_a_fix_needs_less_than_the_estimate_that_did_not_fit(expected: RunEstimate) -> None:
    big = configuration(
        expected.config.model_dump(),
        data__max_length=2048,
        training__per_device_train_batch_size=64,
    )
    rows = RowStatistics(rows=100, lengths=(2048,))
    run_estimate = estimate_run(big, rows)
    assert run_estimate.cheapest_fix() is None  # on a CPU
    hardware = Hardware("Tesla T4", T4.usable_bytes, T4)
    here = RunEstimate(big, run_estimate.inputs, run_estimate.estimate, hardware)
    fix = here.cheapest_fix()
    assert fix is not None
    assert fix.needed <= 0.9 * run_estimate.estimate.needed
    failure = out_of_memory_failure(torch.OutOfMemoryError("full"), run_estimate.estimate, fix)
    assert failure.changes == fix.changes
    assert failure.message == "full"
    advice = failure.advice
    assert "--retry" in advice
    largest = max(run_estimate.estimate.breakdown.items(), key=lambda item: item[1])[0]
    assert f"mostly {largest}" in advice
    for key in fix.changes:
        assert f"{key}: " in advice
    without_fix = out_of_memory_failure(torch.OutOfMemoryError(), run_estimate.estimate, None)
    assert "larger GPU" in without_fix.advice


def test_activations_are_recomputed_if_the_run_does_not_fit_without(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(values, training__gradient_checkpointing="auto")
    without = configuration(values, training__gradient_checkpointing=False)
    needed = estimate_run(without, ROWS).estimate.needed
    for free, expected in ((8 * needed, False), (needed, True)):
        hardware = Hardware("Tesla T4", free, T4)
        monkeypatch.setattr(estimate_record, "_hardware", lambda gpus, found=hardware: found)
        assert checkpointing_needed(config, ROWS) is expected
        assert checkpointing_needed(without, ROWS) is False
    monkeypatch.setattr(estimate_record, "_hardware", lambda gpus: None)  # a CPU
    for free, expected in ((3 * needed, False), (needed, True), (None, True)):
        monkeypatch.setattr(estimate_record, "available_memory", lambda size=free: size)
        assert checkpointing_needed(config, ROWS) is expected
