"""The figures of memory and steps in the header of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.tui.run_view.figures import figures
from deepsynth_tui.tui.run_view.reader import RunReader
from tests.pilot.recorded_runs import append, new_run, training

GIB = 2**30
ESTIMATE = {
    "allocated": 20 * GIB,
    "device": 23 * GIB,
    "seconds_per_step": 2.0,
    "source": "closed_form",
}
EXACT_MATCH = ((0, 0.02), (5, 0.4), (9, 0.85))
MEASURED = {"allocated": 21 * GIB, "device": 23 * GIB, "seconds_per_step": 2.5, "steps": 3}


def shown(home: Path, *events: tuple[str, dict[str, Any]]) -> dict[str, str]:
    run = new_run(home, "x")
    append(run, [*training(1), *((9.0, kind, fields) for kind, fields in events)])
    snapshot = RunReader(run, home).poll()
    assert snapshot is not None
    return {figure.label: figure.value for figure in figures(snapshot)}


def test_on_a_gpu_estimated_and_measured_figures_are_side_by_side(home: Path):
    before = shown(home, ("estimate", ESTIMATE | {"gpu": "Tesla T4"}))
    assert before["memory"] == "estimated 20.0 GiB"
    assert "step time" not in before

    after = shown(
        home,
        ("estimate", ESTIMATE | {"gpu": "Tesla T4"}),
        ("memory", {"step": 0, "loading": 99 * GIB, "device": GIB, "host": 1}),
        ("memory", {"step": 1, "allocated": 21 * GIB, "device": 23 * GIB, "host": 1}),
        ("memory", {"step": 2, "allocated": 19 * GIB, "device": 23 * GIB, "host": 1}),
        ("measured", MEASURED),
    )
    assert after["memory"] == "21.0 GiB (est. 20.0 GiB)"
    assert after["step time"] == "2.5 s (est. 2 s)"
    assert after["est. error"] == "memory -5%, step -20%"
    assert after["GPU in total"] == "23.0 GiB"


def test_on_a_cpu_no_gpu_figure_is_shown(home: Path):
    cpu = shown(
        home,
        ("estimate", ESTIMATE | {"gpu": "", "seconds_per_step": None}),
        ("memory", {"host": 2 * GIB, "host_peak": 3 * GIB}),
        ("measured", {"host": 3 * GIB, "seconds_per_step": 0.25, "steps": 3}),
    )
    assert cpu["memory"] == "2.0 GiB, peak 3.0 GiB"
    assert not {"est. error", "GPU in total"} & cpu.keys()
    assert cpu["step time"] == "0.25 s"


def test_exact_match_shows_the_first_and_the_last_evaluation(home: Path):
    evaluations = [
        ("metric", {"step": step, "eval_exact_match": share}) for step, share in EXACT_MATCH
    ]
    assert shown(home, *evaluations)["exact match"] == "2% → 85%"
    assert shown(home, evaluations[0])["exact match"] == "2%"


@pytest.mark.parametrize("label", ["est. error", "step time"])
def test_a_run_of_an_earlier_version_shows_neither(home: Path, label: str):
    assert label not in shown(home)
