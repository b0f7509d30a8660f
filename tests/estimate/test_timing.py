"""Step times match published throughputs, and follow the rules of the timing model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from deepsynth_tui.estimate.timing import (
    CALIBRATED,
    SPREAD,
    step_seconds,
    step_time,
    total_steps,
)
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Gpu, load_catalogue
from tests.benchmarks.time_accuracy import FITTED, MOST, loss, quantile, runs
from tests.estimate.models import configure

RUNS = runs()
RATIOS = {run.row.id: run.ratio() for run in RUNS}
GPU: Gpu = load_catalogue()[0]


def test_there_are_enough_rows():
    assert len(RUNS) >= 100
    assert len({run.row.gpu.name for run in RUNS}) >= 4
    assert len({run.row.layout.name for run in RUNS}) >= 10


def test_the_median_ratio_is_one():
    assert quantile(RUNS, RATIOS, 0.5) == pytest.approx(1.0, abs=0.05)


def test_every_ratio_is_within_a_factor_of_1_6():
    assert max(max(ratio, 1 / ratio) for ratio in RATIOS.values()) < 1.6


def test_the_range_contains_four_fifths_of_the_groups():
    assert SPREAD[0] < quantile(RUNS, RATIOS, 0.1)
    assert quantile(RUNS, RATIOS, 0.9) < SPREAD[1]


@pytest.mark.parametrize("name", FITTED)
def test_the_rates_minimize_the_loss(name: str):
    """A change of any fitted rate by a tenth does not lower the loss."""
    least = loss(RUNS, CALIBRATED)
    value = getattr(CALIBRATED, name)
    for other in (0.9 * value, min(1.1 * value, MOST[name])):
        assert loss(RUNS, replace(CALIBRATED, **{name: other})) > least - 1e-3


def test_adapters_on_every_linear_can_be_slower_than_full_fine_tuning():
    """Measured on three GPUs: the kernels of the adapters cost more time than they save."""
    speed = {run.row.id: run.row.tokens_per_second for run in RUNS}
    for gpu in ("H100", "A100", "Pro6000"):
        assert speed[f"ljm-Llama-3.1-8B-{gpu}"] < speed[f"ljm-Llama-3.1-8B-full-{gpu}"]
        assert RATIOS[f"ljm-Llama-3.1-8B-{gpu}"] == pytest.approx(
            RATIOS[f"ljm-Llama-3.1-8B-full-{gpu}"], rel=0.1
        )


def test_kernels_run_one_after_another():
    arithmetic, traffic = Work(matmul_flops=1e15), Work(elementwise_bytes=1e12)
    parts = step_seconds(arithmetic, GPU) + step_seconds(traffic, GPU)
    assert step_seconds(arithmetic + traffic, GPU) == pytest.approx(parts)


def test_reading_its_weights_limits_a_matmul():
    assert step_seconds(Work(matmul_flops=1.0, weight_bytes=1e12), GPU) == step_seconds(
        Work(elementwise_bytes=1e12), GPU
    )


def test_kernel_launches_limit_a_step():
    small = Work(matmul_flops=1e6, kernel_launches=1e5)
    assert step_seconds(small, GPU) == pytest.approx(1e5 * CALIBRATED.launch)
    assert step_seconds(small, GPU) == step_seconds(replace(small, matmul_flops=2e6), GPU)


def test_the_range_contains_the_predicted_time():
    timing = step_time(Work(matmul_flops=1e15), GPU)
    assert timing.low < timing.seconds < timing.high
    assert (timing.low / timing.seconds, timing.high / timing.seconds) == pytest.approx(SPREAD)


def test_a_measured_ratio_scales_the_time_and_narrows_the_range():
    work = Work(matmul_flops=1e15)
    predicted, measured = step_time(work, GPU), step_time(work, GPU, ratio=2.0)
    assert measured.seconds == 2 * predicted.seconds
    assert measured.high / measured.low == pytest.approx(math.sqrt(predicted.high / predicted.low))


@pytest.mark.parametrize(
    ("rows", "expected"), [(None, None), (0, 0), (1, 3), (8, 3), (9, 6), (80, 30)]
)
def test_steps_of_an_epoch_round_up(rows: int | None, expected: int | None):
    config = configure(
        training={
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 4,
            "num_train_epochs": 3,
        },
        data={"eval_fraction": 0.0},
    )
    assert total_steps(config, rows) == expected


def test_a_step_limit_needs_no_rows():
    assert total_steps(configure(training={"max_steps": 7}), None) == 7
