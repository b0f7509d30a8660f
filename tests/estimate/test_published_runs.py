"""The closed form matches published measurements of memory (`published`).

The bytes per logit of each transformers version were derived from these rows
(`published._logits_bytes`). No constant of the formulas was fitted to them.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from deepsynth_tui.estimate import closed_form
from tests.estimate.published import Measurement, measurements

ROWS = measurements()


def predict(row: Measurement) -> tuple[int, int, int]:
    """Return allocated, reserved and device bytes with the software and the GPU of the row."""
    estimate = closed_form.estimate(row.config, row.layout, gpus=(row.gpu,), stack=row.stack)
    device = estimate.gpus[0].device
    return estimate.peak_allocated, device - estimate.overhead.context, device


def relative_errors(
    measured: Callable[[Measurement], int | None], predicted: Callable[[Measurement], int]
) -> list[float]:
    """Return the relative errors of the rows that have the measured value."""
    return [predicted(row) / value - 1 for row in ROWS if (value := measured(row)) is not None]


def test_allocated_memory():
    errors = relative_errors(lambda row: row.allocated, lambda row: predict(row)[0])
    assert len(errors) >= 40
    assert median(map(abs, errors)) < 0.02
    assert max(map(abs, errors)) < 0.11
    assert median(errors) > -0.015


def test_memory_by_nvidia_smi():
    errors = relative_errors(lambda row: row.device, lambda row: predict(row)[2])
    assert median(map(abs, errors)) < 0.04
    assert max(map(abs, errors)) < 0.15


def test_memory_by_an_unnamed_instrument():
    """The source is Qwen's README. Its values agree with those of nvidia-smi."""
    errors = relative_errors(lambda row: row.unnamed, lambda row: predict(row)[2])
    assert len(errors) >= 30
    assert median(map(abs, errors)) < 0.04
    assert max(map(abs, errors)) < 0.15


def test_reserved_memory():
    """PEFT's suite does not record its longest batch, only the length limit of a row."""
    errors = relative_errors(lambda row: row.reserved, lambda row: predict(row)[1])
    assert len(errors) >= 30
    assert median(map(abs, errors)) < 0.04
    assert max(map(abs, errors)) < 0.12
