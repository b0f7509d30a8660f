"""Curves over steps, tokens and time: a resumed run counts each step once, and no pause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepsynth_tui.runs.curves import read_curves
from deepsynth_tui.runs.directory import RunDirectory


def write(run: RunDirectory, *events: tuple[float, str, dict[str, Any]]) -> None:
    lines = [
        json.dumps({"v": 1, "seq": seq, "t": t, "kind": kind, **data})
        for seq, (t, kind, data) in enumerate(events, start=1)
    ]
    run.events.write_text("\n".join(lines) + "\n")


def phase(t: float, name: str, **data: Any) -> tuple[float, str, dict[str, Any]]:
    return t, "phase", {"name": name, **data}


def step(t: float, number: int, **data: Any) -> tuple[float, str, dict[str, Any]]:
    return t, "metric", {"step": number, **data}


def test_tokens_and_seconds_of_each_step(run: RunDirectory):
    write(
        run,
        phase(0, "starting"),
        phase(5, "training"),
        step(7, 1, loss=3.0, tokens=100, learning_rate=0.1),
        step(9, 2, loss=2.0, tokens=50),
        step(12, 2, eval_loss=2.5),
        phase(13, "saving"),
        (20, "done", {"verdict": "completed"}),
    )
    curves = read_curves(run)
    loss = [(p.step, p.value, p.tokens, p.seconds) for p in curves.points["loss"]]
    assert loss == [(1, 3.0, 100, 2), (2, 2.0, 150, 4)]
    (held_out,) = curves.points["eval_loss"]
    assert (held_out.tokens, held_out.seconds) == (150, 7)
    assert (curves.tokens, curves.seconds) == (150, 8)


def test_steps_after_the_checkpoint_count_once_and_pauses_not(run: RunDirectory):
    write(
        run,
        phase(0, "starting"),
        phase(0, "training"),
        step(1, 1, loss=3.0, tokens=10),
        step(2, 2, loss=2.0, tokens=10),
        phase(1000, "starting"),
        phase(1001, "resumed", step=1),
        phase(1005, "training"),
        step(1006, 2, loss=2.1, tokens=10),
    )
    curves = read_curves(run)
    assert [(p.step, p.value, p.tokens) for p in curves.points["loss"]] == [
        (1, 3.0, 10),
        (2, 2.1, 20),
    ]
    assert curves.points["loss"][-1].seconds == pytest.approx(3)


def test_tokens_are_unknown_after_steps_that_did_not_count_them(run: RunDirectory):
    write(
        run,
        phase(0, "starting"),
        phase(1, "resumed", step=50),  # of a checkpoint copied from another run
        phase(2, "training"),
        step(3, 51, loss=1.0, tokens=10),
    )
    curves = read_curves(run)
    assert (curves.tokens, curves.points["loss"][0].tokens) == (None, None)


def test_a_run_without_a_log(run: RunDirectory):
    curves = read_curves(run)
    assert (dict(curves.points), curves.tokens, curves.seconds) == ({}, None, None)


@pytest.mark.parametrize("name", ["evaluating", "paused", "training"])
def test_only_a_resumed_run_repeats_steps(run: RunDirectory, name: str):
    write(
        run,
        phase(0, "training"),
        step(1, 1, loss=3.0, tokens=10),
        step(2, 2, loss=2.0, tokens=10),
        phase(3, name, step=1),
    )
    curves = read_curves(run)
    assert [point.step for point in curves.points["loss"]] == [1, 2]
    assert curves.tokens == 20
