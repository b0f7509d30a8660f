"""How long a step takes on a GPU, and how many there are.

Kernels of eager PyTorch run one after the other, so their times add up: matmuls at a share of the
data sheet's rate (or as fast as their weights can be read), attention at shares of its own,
everything between them at a share of the memory bandwidth. The processor that launches them may
be the slower: no step is faster than its launches.

`CALIBRATED` was fitted to 123 published throughputs (``tests/estimate/data/published.csv``, but for
runs with float32 streams or GPTQ kernels, which this stack has not) by least absolute error of the
logarithm, 0.13 on average, each source, model and GPU weighing the same.
``tests/benchmarks/time_accuracy.py`` prints the rows and repeats the fit. All rows run in bfloat16
or float16 at the same rate; a GPU without bfloat16 units is taken to train in float16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Gpu


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a GPU does of what its data sheet says, and what a launch takes.

    `matmul`, `causal` and `masked` (attention without and with a mask) are shares of the dense
    half-precision rate, `memory` and `dequantising` of the bandwidth; `launch` is in seconds.
    """

    matmul: float
    causal: float
    masked: float
    memory: float
    dequantising: float
    launch: float


# Two are assumptions, for the rows cannot tell matmuls from attention: `matmul` lies at the bound
# of the fit, and FlashAttention-2 reaches 50 to 73 % on an A100 (Dao 2023, arXiv:2307.08691).
CALIBRATED = Efficiency(
    matmul=0.85, causal=0.6, masked=0.1, memory=0.65, dequantising=0.17, launch=17.5e-6
)
# Measured over predicted seconds, 10 and 90 %: of the rows of each GPU by the fit of all others,
# for most GPUs of the catalogue have no row. In the fit itself it is 0.72 to 1.15.
SPREAD = (0.65, 1.3)


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds, with the range in which 80 % of published runs lie."""

    seconds: float
    low: float
    high: float


def step_seconds(work: Work, gpu: Gpu, rates: Efficiency = CALIBRATED) -> float:
    """Seconds of one optimizer step, on a GPU that does as well as those of the fit."""
    arithmetic, bandwidth = gpu.tflops * 1e12, gpu.bandwidth_gbs * 1e9
    memory = rates.memory * bandwidth
    device = (
        max(work.matmul / (rates.matmul * arithmetic), work.weights / memory)
        + work.causal / (rates.causal * arithmetic)
        + work.masked / (rates.masked * arithmetic)
        + work.traffic / memory
        + work.dequantised / (rates.dequantising * bandwidth)
    )
    return max(device, work.kernels * rates.launch) + work.optimizer / memory


def step_time(work: Work, gpu: Gpu, pace: float | None = None) -> StepTime:
    """One optimizer step with its range.

    `pace` is measured over predicted seconds of earlier runs on this very GPU
    (`machine.history.pace`). It takes the place of the calibration's error, so half of the range
    remains for what differs between two configurations.
    """
    seconds = step_seconds(work, gpu) * (pace or 1.0)
    low, high = SPREAD if pace is None else (math.sqrt(bound) for bound in SPREAD)
    return StepTime(seconds, low * seconds, high * seconds)


def total_steps(config: TrainingConfig, rows: int | None) -> int | None:
    """Optimizer steps of the run; None while the number of rows is not known."""
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
