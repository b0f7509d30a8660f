"""Metrics as curves and texts, the smoothed loss, and the choice of the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepsynth_tui.runs.state import RunState
from deepsynth_tui.tui.run_view.metrics import (
    DEFAULT_METRICS,
    available_metrics,
    best_point,
    load_choice,
    metric_curves,
    save_choice,
    smooth,
    value_at,
)

STATE = RunState(
    series={
        "loss": ((1, 2.0), (2, 1.0)),
        "eval_loss": ((2, 1.5),),
        "learning_rate": ((1, 1e-4), (2, 1.2e-4)),
        "eval_exact_match": ((0, 0.0), (20, 0.98)),
        "eval_cer": ((0, 15.2), (20, 0.004)),
        "reward": ((1, 0.5),),
    }
)


def test_the_usual_metrics_have_values_and_first_values() -> None:
    curves = {
        curve.label: (curve.first, curve.text) for curve in metric_curves(STATE, DEFAULT_METRICS)
    }
    assert curves == {
        "lr": ("", "1.2e-04"),
        "grad norm": ("", "none yet"),
        "exact": ("0 %", "98 %"),
        "CER": ("1520 %", "0.4 %"),
    }


def test_any_metric_that_a_run_reports_can_be_chosen() -> None:
    names = available_metrics(STATE)
    assert "reward" in names
    assert not {"loss", "eval_loss"} & set(names)
    (curve,) = metric_curves(STATE, ["reward"])
    assert (curve.label, curve.text) == ("reward", "0.5")


def test_smoothing_starts_at_the_first_value_and_keeps_a_constant() -> None:
    assert smooth([(1, 4.0), (2, 0.0)], 0.5) == [(1, 4.0), (2, pytest.approx(4 / 3))]
    assert all(value == pytest.approx(3.0) for _, value in smooth([(i, 3.0) for i in range(9)]))
    assert smooth([]) == []


def test_best_and_former_values() -> None:
    points = [(10, 2.0), (20, 1.0), (30, 1.0)]
    assert best_point(points) == (20, 1.0)
    assert best_point([]) is None
    assert [value_at(points, step) for step in (5, 10, 25, 99)] == [None, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("content", [None, "", "[]", '{"a": 1}', "[1, 2]"])
def test_without_a_valid_choice_the_usual_metrics_are_shown(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "monitor.json"
    if content is not None:
        path.write_text(content)
    assert load_choice(path) == DEFAULT_METRICS


def test_a_choice_is_kept(tmp_path: Path) -> None:
    save_choice(tmp_path / "monitor.json", ("reward", "grad_norm"))
    assert load_choice(tmp_path / "monitor.json") == ("reward", "grad_norm")
    save_choice(tmp_path / "missing" / "monitor.json", ("reward",))
