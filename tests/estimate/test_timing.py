"""Step times against published throughputs, and what must be true of any of them."""

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
    assert len({run.row.profile.name for run in RUNS}) >= 10


def test_half_of_the_groups_are_slower_and_half_faster():
    assert quantile(RUNS, RATIOS, 0.5) == pytest.approx(1.0, abs=0.05)


def test_every_row_within_a_factor_of_one_and_a_half_or_so():
    assert max(max(ratio, 1 / ratio) for ratio in RATIOS.values()) < 1.6


def test_the_range_holds_four_of_five_groups():
    assert SPREAD[0] < quantile(RUNS, RATIOS, 0.1)
    assert quantile(RUNS, RATIOS, 0.9) < SPREAD[1]


@pytest.mark.parametrize("name", FITTED)
def test_the_rates_are_those_of_the_fit(name: str):
    """A tenth more or less of any fitted rate explains the rows no better."""
    least = loss(RUNS, CALIBRATED)
    value = getattr(CALIBRATED, name)
    for other in (0.9 * value, min(1.1 * value, MOST[name])):
        assert loss(RUNS, replace(CALIBRATED, **{name: other})) > least - 1e-3


def test_adapters_on_every_linear_need_not_be_faster_than_full_fine_tuning():
    """Measured so on three GPUs: the adapters' own kernels cost more than they save."""
    speed = {run.row.id: run.row.tokens_per_second for run in RUNS}
    for gpu in ("H100", "A100", "Pro6000"):
        assert speed[f"ljm-Llama-3.1-8B-{gpu}"] < speed[f"ljm-Llama-3.1-8B-full-{gpu}"]
        assert RATIOS[f"ljm-Llama-3.1-8B-{gpu}"] == pytest.approx(
            RATIOS[f"ljm-Llama-3.1-8B-full-{gpu}"], rel=0.1
        )


def test_kernels_wait_for_each_other():
    arithmetic, traffic = Work(matmul=1e15), Work(traffic=1e12)
    parts = step_seconds(arithmetic, GPU) + step_seconds(traffic, GPU)
    assert step_seconds(arithmetic + traffic, GPU) == pytest.approx(parts)


def test_a_matmul_is_no_faster_than_its_weights_are_read():
    assert step_seconds(Work(matmul=1.0, weights=1e12), GPU) == step_seconds(
        Work(traffic=1e12), GPU
    )


def test_no_step_is_faster_than_its_launches():
    small = Work(matmul=1e6, kernels=1e5)
    assert step_seconds(small, GPU) == pytest.approx(1e5 * CALIBRATED.launch)
    assert step_seconds(small, GPU) == step_seconds(replace(small, matmul=2e6), GPU)


def test_the_range_lies_around_the_figure():
    found = step_time(Work(matmul=1e15), GPU)
    assert found.low < found.seconds < found.high
    assert (found.low / found.seconds, found.high / found.seconds) == pytest.approx(SPREAD)


def test_a_measured_pace_moves_and_narrows():
    work = Work(matmul=1e15)
    guessed, known = step_time(work, GPU), step_time(work, GPU, pace=2.0)
    assert known.seconds == 2 * guessed.seconds
    assert known.high / known.low == pytest.approx(math.sqrt(guessed.high / guessed.low))


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


def test_a_limit_of_steps_needs_no_rows():
    assert total_steps(configure(training={"max_steps": 7}), None) == 7
