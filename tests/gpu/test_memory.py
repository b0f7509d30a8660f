"""The estimate against the GPU itself: real steps of mid-size models over a grid.

Run it with ``pytest -m gpu tests/gpu``. With $DEEPSYNTH_GPU_RESULTS every case is added to that
file as a line of JSON, with the versions that it was measured with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from deepsynth_tui.runs.estimate_vs_measured import comparison_to_json, prediction_errors
from deepsynth_tui.training.callbacks.memory_time import MemoryMeter
from tests.gpu.families import FULL, checkpoint
from tests.gpu.rig import Case, Outcome, measure

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.skipif(
        torch.cuda.device_count() > 1, reason="set CUDA_VISIBLE_DEVICES to one GPU, as a run does"
    ),
]

RESULTS = "DEEPSYNTH_GPU_RESULTS"
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
ALLOCATED, DEVICE = 0.05, 0.10
"""Errors allowed: of ``max_memory_allocated``, and of what the process takes of the device."""
SHAPES = (
    (1, 512, True),
    (1, 4096, True),
    (4, 1024, True),
    (8, 2048, True),
    (1, 1024, False),
    (4, 512, False),
)
METHODS = (("llama", (0, 4, 8)), ("qwen3_vl", (0, 4, 8)), ("qwen3_moe", (0, 4)))
PAGE = 512
"""Pixels a side: 256 tokens of Qwen3-VL."""
GRID = [
    Case(family, bits, checkpointing, rows, length, PAGE if family == "qwen3_vl" else 0)
    for family, widths in METHODS
    for bits in widths
    for rows, length, checkpointing in SHAPES
]


@pytest.fixture(scope="module")
def meter() -> MemoryMeter:
    """A meter created before anything uses the GPU, so that it counts the CUDA context."""
    return MemoryMeter()


@pytest.fixture(scope="module")
def folder_of(
    meter: MemoryMeter, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return the checkpoint of a family, which is written once."""

    @cache
    def write(family: str) -> Path:
        return checkpoint(tmp_path_factory.mktemp(family), family, FULL[family])

    return write


@pytest.mark.parametrize("case", GRID, ids=str)
def test_the_estimate_is_what_is_measured(
    case: Case, folder_of: Callable[[str], Path], meter: MemoryMeter, home: Path
):
    outcome = measure(case, folder_of(case.family), home, meter)
    _write_down(case, outcome, meter)
    wrong = prediction_errors(outcome.estimate.predicted, outcome.measured)
    assert abs(wrong["allocated"]) <= ALLOCATED, wrong
    assert abs(wrong["device"]) <= DEVICE, wrong


def _write_down(case: Case, outcome: Outcome, meter: MemoryMeter) -> None:
    if not (file := os.environ.get(RESULTS)):
        return
    line = {
        "case": asdict(case),
        **comparison_to_json(outcome.estimate.predicted, outcome.measured),
        "breakdown": dict(outcome.estimate.estimate.breakdown),
        "driver": meter.driver,
        "versions": {name: version(name) for name in LIBRARIES},
    }
    with Path(file).open("a") as results:
        results.write(json.dumps(line) + "\n")
