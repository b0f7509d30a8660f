"""The closed form against published measurements of memory (`published`).

Which transformers versions hold how many bytes per logit was decided from these rows
(`published._logits_bytes`); no constant of the formulas was fitted to them.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from deepsynth_tui.estimate.closed_form import estimate
from tests.estimate.published import Measurement, measurements

ROWS = measurements()


def predict(row: Measurement) -> tuple[int, int, int]:
    """Allocated, reserved and device bytes, in the stack and on the GPU of the row."""
    found = estimate(row.config, row.profile, gpus=(row.gpu,), stack=row.stack)
    device = found.gpus[0].device
    return found.peak_allocated, device - found.overhead.context, device


def errors(
    measured: Callable[[Measurement], int | None], predicted: Callable[[Measurement], int]
) -> list[float]:
    """Relative errors of the rows that have this figure."""
    return [predicted(row) / figure - 1 for row in ROWS if (figure := measured(row)) is not None]


def test_allocated():
    found = errors(lambda row: row.allocated, lambda row: predict(row)[0])
    assert len(found) >= 40
    assert median(map(abs, found)) < 0.02
    assert max(map(abs, found)) < 0.11
    assert median(found) > -0.015


def test_what_nvidia_smi_showed():
    found = errors(lambda row: row.device, lambda row: predict(row)[2])
    assert median(map(abs, found)) < 0.04
    assert max(map(abs, found)) < 0.15


def test_an_instrument_that_is_not_named():
    """Qwen's README; the figures agree with nvidia-smi's."""
    found = errors(lambda row: row.unnamed, lambda row: predict(row)[2])
    assert len(found) >= 30
    assert median(map(abs, found)) < 0.04
    assert max(map(abs, found)) < 0.15


def test_what_was_reserved():
    """PEFT's suite does not record its longest batch, only the limit of a row."""
    found = errors(lambda row: row.reserved, lambda row: predict(row)[1])
    assert len(found) >= 30
    assert median(map(abs, found)) < 0.04
    assert max(map(abs, found)) < 0.12
