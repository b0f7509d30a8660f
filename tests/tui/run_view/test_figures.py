"""Which figures a run's view shows of its memory and its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.tui.run_view.figures import figures
from deepsynth_tui.tui.run_view.reader import RunReader
from tests.pilot.recorded_runs import append, new_run, training

GIB = 2**30
GUESS = {
    "allocated": 20 * GIB,
    "device": 23 * GIB,
    "seconds_per_step": 2.0,
    "source": "closed_form",
}
SCORED = ((0, 0.02), (5, 0.4), (9, 0.85))
TOOK = {"allocated": 21 * GIB, "device": 23 * GIB, "seconds_per_step": 2.5, "steps": 3}


def shown(home: Path, *events: tuple[str, dict[str, Any]]) -> dict[str, str]:
    run = new_run(home, "x")
    append(run, [*training(1), *((9.0, kind, fields) for kind, fields in events)])
    snapshot = RunReader(run, home).poll()
    assert snapshot is not None
    return {figure.label: figure.value for figure in figures(snapshot)}


def test_on_a_gpu_prediction_and_measurement_stand_side_by_side(home: Path):
    before = shown(home, ("estimate", GUESS | {"gpu": "Tesla T4"}))
    assert before["memory"] == "predicted 20.0 GB"
    assert "step time" not in before

    after = shown(
        home,
        ("estimate", GUESS | {"gpu": "Tesla T4"}),
        ("memory", {"step": 0, "loading": 99 * GIB, "device": GIB, "host": 1}),
        ("memory", {"step": 1, "allocated": 21 * GIB, "device": 23 * GIB, "host": 1}),
        ("memory", {"step": 2, "allocated": 19 * GIB, "device": 23 * GIB, "host": 1}),
        ("measured", TOOK),
    )
    assert after["memory"] == "21.0 GB (predicted 20.0 GB)"
    assert after["step time"] == "2.5 s (predicted 2 s)"
    assert after["prediction"] == "memory -5%, step -20%"
    assert after["device in all"] == "23.0 GB"


def test_on_a_cpu_no_gpu_figure_is_shown(home: Path):
    found = shown(
        home,
        ("estimate", GUESS | {"gpu": "", "seconds_per_step": None}),
        ("memory", {"host": 2 * GIB, "host_peak": 3 * GIB}),
        ("measured", {"host": 3 * GIB, "seconds_per_step": 0.25, "steps": 3}),
    )
    assert found["memory"] == "2.0 GB, peak 3.0 GB"
    assert not {"prediction", "device in all"} & found.keys()
    assert found["step time"] == "0.25 s"


def test_answers_without_error_are_told_from_the_first_evaluation_to_the_last(home: Path):
    scored = [("metric", {"step": step, "eval_exact_match": share}) for step, share in SCORED]
    assert shown(home, *scored)["exact match"] == "2% → 85%"
    assert shown(home, scored[0])["exact match"] == "2%"


@pytest.mark.parametrize("label", ["prediction", "step time"])
def test_a_run_of_an_earlier_version_shows_neither(home: Path, label: str):
    assert label not in shown(home)
