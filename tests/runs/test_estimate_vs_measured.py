"""Predicted and measured figures."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.estimate_vs_measured import (
    Measured,
    Predicted,
    comparison_lines,
    off_by,
    prediction_errors,
    read_comparison,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.dictionaries(
        st.sampled_from(["allocated", "device", "steps", "seconds_per_step", "source", "x"]), inner
    ),
)


def test_errors_are_relative_to_the_measurement():
    errors = prediction_errors(
        Predicted(110, 90, 2.0), Measured(allocated=100, device=100, steps=3)
    )
    assert errors == pytest.approx({"allocated": 0.1, "device": -0.1})
    assert prediction_errors(Predicted(1, 1), Measured(allocated=0, steps=1)) == {}
    assert (
        prediction_errors(None, Measured(steps=1)) == prediction_errors(Predicted(1, 1), None) == {}
    )


@given(ANYTHING)
def test_from_json_never_raises(content: object):
    for kind in (Predicted, Measured):
        read = kind.from_json(content)
        assert read is None or kind.from_json(asdict(read)) == read


def test_comparison_of_a_run_without_measurements(home: Path):
    run = create_run(home, kind="training", name="x", config_text="")
    assert read_comparison(run) == {"predicted": None, "measured": None, "prediction_error": {}}


def test_comparison_lines():
    took = Measured(allocated=2 << 30, device=4 << 30, host=9, seconds_per_step=2.0, steps=5)
    assert list(comparison_lines(Predicted(1 << 30, 5 << 30, 2.004), took)) == [
        "2.00 GiB allocated, predicted 1.00 GiB (50 % too low)",
        "4.00 GiB of the device, predicted 5.00 GiB (25 % too high)",
        "2 s per step, predicted 2 s (right within 1 %)",
    ]
    assert off_by(-0.04) == "4 % too low"


def test_prediction_on_a_cpu():
    guess = Predicted(1 << 30, 2 << 30)
    assert "on the CPU" in str(guess)
    took = Measured(host=3 << 30, seconds_per_step=0.25, steps=5)
    assert list(comparison_lines(guess, took)) == ["3.00 GiB of main memory", "0.25 s per step"]


@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        ({}, True),
        ({"seconds_per_step": 2}, True),
        ({"allocated": 0}, True),
        ({"allocated": 1.5}, False),
        ({"allocated": True}, False),
        ({"allocated": -0.5}, False),
        ({"allocated": -1}, False),
        ({"allocated": None}, False),
        ({"device": "12"}, False),
    ],
)
def test_fields_of_the_right_type_are_read(change: dict[str, object], is_read: bool):
    content = {"allocated": 10, "device": 12, "seconds_per_step": 2.5, "source": "x", **change}
    read = Predicted.from_json(content)
    assert (read is not None) == is_read
    if read is not None:
        assert {name: getattr(read, name) for name in content} == content


@pytest.mark.parametrize("seconds", [-1.0, True, "2", float("nan")])
def test_a_time_of_another_type_is_left_out(seconds: object):
    content = {"allocated": 10, "device": 12, "seconds_per_step": seconds}
    assert Predicted.from_json(content) == Predicted(10, 12)
