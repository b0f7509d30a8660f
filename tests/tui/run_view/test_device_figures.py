"""What the GPU does: measured beside predicted, "n/a" for what is unknown."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.tui.run_view.device_figures import device_figures
from tests.pilot.recorded_runs import on_gpu, training
from tests.tui.run_view.snapshots import recorded, snapshot_of


def shown(home: Path, *parts: list) -> tuple[str, dict[str, str]]:
    state = snapshot_of(recorded(home, *parts), home).state
    figures = device_figures(state)
    return figures.title, {figure.label: figure.value for figure in figures.figures}


def test_measured_memory_is_beside_the_prediction(home: Path) -> None:
    data_wait = [(20.0, "metric", {"step": 14, "data_wait": 0.01})]
    title, values = shown(home, list(training(20)), list(on_gpu(20)), data_wait)
    assert title == "GPU 0 NVIDIA H200"
    assert values["util"] == "85 %"
    assert values["mem"] == "18.4/141 GiB (predicted 18.0 GiB)"
    assert values["power"] == "400 of 700 W   temperature 61 °C"
    assert values["data wait"] == "1%"


def test_what_a_driver_does_not_report_is_not_available(home: Path) -> None:
    memory = {"step": 1, "allocated": 2**30, "gpu": {"name": "GRID"}}
    title, values = shown(home, [(1.0, "memory", memory)])
    assert title == "GPU GRID"
    assert values == {
        "util": "n/a",
        "mem": "1.0 GiB allocated (no prediction)",
        "power": "n/a   temperature n/a",
        "data wait": "n/a",
        "speed": "n/a",
    }


def test_on_a_cpu_main_memory_is_shown(home: Path) -> None:
    title, values = shown(home, [(1.0, "memory", {"host": 2**30, "host_peak": 2**31})])
    assert title == "CPU (no GPU)"
    assert values["mem"] == "1.0 GiB, peak 2.0 GiB (no prediction for a CPU)"
    assert values["util"] == "n/a"


def test_before_the_first_step_only_the_prediction_is_known(home: Path) -> None:
    _, values = shown(home, [next(iter(on_gpu(0)))])
    assert values["mem"] == "n/a (predicted 18.0 GiB)"
