"""The headline of the fit panel, and the check by a simulation and a measured run."""

from __future__ import annotations

from dataclasses import replace

from deepsynth_tui.estimate import measured_runs
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.runs.estimate_vs_measured import Measured, Predicted
from deepsynth_tui.tui.fit.headline import cross_check, headline, verdict
from deepsynth_tui.units import format_bytes
from tests.tui.fit.views import config_of, view_of


def test_headline_and_verdict_show_the_change(inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of(batch=4), previous=config_of())
    assert view.previous is not None
    more = format_bytes(view.computed.needed - view.previous.needed)
    assert f"  +{more}" in headline(view).plain
    assert f" +{more}" in verdict(view).plain


def test_simulated_and_measured_peaks_are_shown_beside_the_computed_one(
    inputs: EstimateInputs,
) -> None:
    view = view_of(inputs, config_of())
    assert "computed" in headline(view).plain
    assert cross_check(view, "s").plain == "s simulates one step to check this figure"
    peak = view.computed.peak_allocated
    simulated = replace(view.computed, source="simulated", peak_allocated=round(1.1 * peak))
    run = measured_runs.MeasuredRun(
        when=0.0,
        gpu="A",
        kind="",
        driver="1",
        torch="2",
        transformers="5",
        model="m",
        settings="x",
        longest=1,
        ran_out=False,
        predicted=Predicted(1, 1),
        measured=Measured(allocated=round(0.95 * peak), steps=3),
    )
    assert view.report is not None
    both = replace(view, simulated=simulated, report=replace(view.report, measured=run))
    assert "simulated" in headline(both).plain
    text = cross_check(both, "s").plain
    assert "simulated" in text
    assert "(+10.0 %)" in text
    assert "measured" in text
    assert "(-5.0 %)" in text
