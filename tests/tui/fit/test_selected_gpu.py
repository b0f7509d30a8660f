"""The text on the selected GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.tui.fit.selected_gpu import LINE_COUNT, selected_gpu_lines
from deepsynth_tui.tui.fit.view import FitView
from tests.tui.fit.views import config_of, view_of


def text(view: FitView) -> str:
    return "\n".join(line.plain for line in selected_gpu_lines(view, 60, "a"))


def test_the_first_gpu_that_is_too_small_is_selected_with_a_fix(inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of(batch=512))
    assert view.selected_gpu is not None
    assert view.selected_gpu.fit.value == "no"
    assert view.selected_fit is not None
    assert view.selected_fit.fix is not None
    assert "does not fit" in text(view)
    assert f"largest batch {view.selected_fit.batch}" in text(view)
    assert view.selected_fit.fix.words.split()[0] in text(view)
    assert "\na " in text(view), "the key that applies the fix"


def test_a_higher_memory_need_lowers_the_free_memory(inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of(batch=4), previous=config_of())
    assert "free -" in selected_gpu_lines(view, 51, "a")[1].plain


def test_a_report_on_the_previous_form_is_not_shown(inputs: EstimateInputs) -> None:
    view = replace(view_of(inputs, config_of(batch=512)), report_is_current=False)
    assert "largest batch …" in text(view)
    assert "Searching for settings that fit" in text(view)


@pytest.mark.parametrize("batch", [1, 64])
def test_the_number_of_lines_never_changes(inputs: EstimateInputs, batch: int) -> None:
    for name in ("T4 (16GB)", "B200 (180GB)"):
        view = view_of(inputs, config_of(batch=batch), selected_name=name)
        assert view.selected_gpu is not None
        assert view.selected_gpu.name == name
        assert len(selected_gpu_lines(view, 51, "a")) == LINE_COUNT
