"""The table of GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.machine.gpu_catalogue import GIB
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.fit.selected_gpu import selected_gpu_lines
from deepsynth_tui.units import format_range
from tests.tui.fit.views import A100, NO_GPU, config_of, details_text, view_of


def test_a_row_has_sign_fit_free_memory_speed_batch_and_cost(inputs: EstimateInputs) -> None:
    config = config_of(batch=32)
    training = config.training.model_copy(update={"max_steps": 100})
    view = view_of(inputs, config.model_copy(update={"training": training}))
    lines = details_text(view)
    header = next(line for line in lines if "s/step" in line)
    assert header.split()[-4:] == ["free", "s/step", "batch", "cost"]
    estimates = {row.gpu.name: row for row in view.computed.gpus}
    assert view.report is not None
    batches = {fit.name: fit.batch for fit in view.report.catalogue_gpus}
    for name in ("T4 (16GB)", "A100 (80GB)"):
        line = next(line for line in lines if name in line)
        gpu = estimates[name]
        assert f"{ {'fits': '✓', 'tight': '~', 'no': '✗'}[gpu.fit] } {gpu.fit}" in line
        assert f"{gpu.headroom / GIB:+.1f}" in line
        assert format_range(*gpu.seconds_range) in line
        assert "$" in line
        assert line.split()[-2] == str(batches[name])


@pytest.mark.parametrize("width", [37, 41, 51, 72])
def test_no_figure_is_cut_off_at_any_width(inputs: EstimateInputs, width: int) -> None:
    view = view_of(inputs, config_of(batch=32), previous=config_of(), probe=NO_GPU)
    rows = [line for line in details_text(view, width) if "GB)" in line]
    assert len(rows) == len(inputs.gpus)
    assert max(map(len, rows)) <= width


def test_gpus_of_this_machine_come_first_with_their_free_memory(inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of(batch=32), probe=Probe((A100,)))
    first = view.gpu_rows[0]
    assert first.available == A100.free
    assert first.estimate is not None
    assert first.estimate.gpu.name == "A100 (40GB)"
    assert view.selected_gpu == first
    lines = details_text(view)
    index = next(i for i, line in enumerate(lines) if "0: A100 (40GB)" in line)
    assert "✗ no" in lines[index]
    assert lines[index + 1].strip() == "3.0 of 40.0 GiB free, 2 processes, 97 %, 61 °C"
    assert len(lines[index + 1]) <= 51


def test_a_mig_slice_is_not_matched_to_the_catalogue(inputs: EstimateInputs) -> None:
    mig = replace(A100, slice_of=0, name=f"{A100.name} MIG 1g.5gb", total=5 * GIB)
    view = view_of(inputs, config_of(), probe=Probe((mig,)))
    assert view.gpu_rows[0].name.startswith("GPU 0.0")
    assert view.gpu_rows[0].estimate is None
    line = next(line for line in details_text(view) if "0.0: A100" in line)
    assert "…" in line, "the long name is cut, the figures beside it are not"
    assert len(line) <= 51
    assert "Speed unknown" in selected_gpu_lines(view, 51, "a")[2].plain


def test_a_machine_without_gpu_shows_the_reason(inputs: EstimateInputs) -> None:
    lines = details_text(view_of(inputs, config_of(), probe=NO_GPU))
    assert any("No GPU on this machine: No NVIDIA driver answers" in line for line in lines)
