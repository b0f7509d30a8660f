"""The time of a training step on a GPU, and the number of steps.

Kernels of eager PyTorch run one after another, so their times add up: matmuls at a fraction of the
data sheet's rate (or as fast as their weights are read), attention at fractions of its own,
everything between them at a fraction of the memory bandwidth. The CPU that launches the kernels may
be slower: a step takes at least the time of its launches.

`CALIBRATED` was fitted to 123 published throughputs (``tests/estimate/data/published.csv``, without
runs with float32 hidden states or GPTQ kernels, which this stack does not have) by least absolute
error of the logarithm, 0.13 on average, with equal weight for each source, model and GPU.
``tests/benchmarks/time_accuracy.py`` prints the rows and repeats the fit. bfloat16 and float16 are
assumed to be equally fast; a GPU without bfloat16 is assumed to train in float16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Gpu


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Achieved fractions of a GPU's data sheet, and the time of a kernel launch.

    `matmul`, `causal` and `masked` (attention without and with a mask) are fractions of the dense
    half-precision rate, `memory` and `dequantization` of the memory bandwidth; `launch` is in
    seconds.
    """

    matmul: float
    causal: float
    masked: float
    memory: float
    dequantization: float
    launch: float


# Two values are assumptions, as the rows do not separate matmuls from attention: `matmul` is at the
# bound of the fit, and FlashAttention-2 reaches 50 to 73 % on an A100 (Dao 2023, arXiv:2307.08691).
CALIBRATED = Efficiency(
    matmul=0.85, causal=0.6, masked=0.1, memory=0.65, dequantization=0.17, launch=17.5e-6
)
# 10th and 90th percentile of measured over predicted seconds, for the rows of each GPU by a fit to
# all others, as most GPUs of the catalogue have no row. In the fit itself it is 0.72 to 1.15.
SPREAD = (0.65, 1.3)


PCIE = 8e9 * 16 / 8 * 128 / 130
"""Bytes per second of PCI Express 3.0 x16 in one direction, which no GPU of the catalogue is below
(PCI Express Base Specification 3.0: 8 GT/s a lane, 128b/130b)."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds per optimizer step, with the range that contains 80 % of published runs."""

    seconds: float
    low: float
    high: float


def step_seconds(work: Work, gpu: Gpu, efficiency: Efficiency = CALIBRATED) -> float:
    """Seconds of an optimizer step on a GPU with the given efficiency."""
    flops_per_second, bandwidth = gpu.tflops * 1e12, gpu.bandwidth_gbs * 1e9
    memory = efficiency.memory * bandwidth
    kernel_seconds = (
        max(work.matmul_flops / (efficiency.matmul * flops_per_second), work.weight_bytes / memory)
        + work.causal_attention_flops / (efficiency.causal * flops_per_second)
        + work.masked_attention_flops / (efficiency.masked * flops_per_second)
        + work.elementwise_bytes / memory
        + work.dequantized_bytes / (efficiency.dequantization * bandwidth)
    )
    return (
        max(kernel_seconds, work.kernel_launches * efficiency.launch)
        + work.optimizer_bytes / memory
        + work.host_bytes / PCIE  # on the stream of the kernels
    )


def step_time(work: Work, gpu: Gpu, ratio: float | None = None) -> StepTime:
    """Time of an optimizer step with its range.

    `ratio` is measured over predicted seconds of earlier runs on this GPU
    (`measured_runs.step_time_ratios`). It replaces the error of the calibration, so half of the
    range (in logarithm) remains for differences between configurations.
    """
    seconds = step_seconds(work, gpu) * (ratio or 1.0)
    low, high = SPREAD if ratio is None else (math.sqrt(bound) for bound in SPREAD)
    return StepTime(seconds, low * seconds, high * seconds)


def total_steps(config: TrainingConfig, rows: int | None) -> int | None:
    """Optimizer steps of the run, None if the number of rows is unknown."""
    training, data = config.training, config.data
    if training.max_steps > 0:
        return training.max_steps
    if rows is None:
        return None
    rows = round(rows * (1 - data.eval_fraction))
    rows = min(rows, data.max_train_samples or rows)
    per_step = (
        training.per_device_train_batch_size
        * training.gradient_accumulation_steps
        * training.num_processes
    )
    return math.ceil(math.ceil(rows / per_step) * training.num_train_epochs)
