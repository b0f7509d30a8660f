"""The line of state: what it says, and what is left out first."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.tui.run_view.reader import clock_time
from deepsynth_tui.tui.run_view.state_line import StateLineTexts, state_line
from deepsynth_tui.tui.widgets.run_header import fit_state_line
from tests.pilot.recorded_runs import START, alive, append, ended, finish, training
from tests.tui.run_view.snapshots import recorded, snapshot_of

TEXTS = StateLineTexts(
    "● training",
    "$primary",
    "rank16",
    0.5,
    (
        (1, "step 60/120"),
        (3, "50 %"),
        (4, "1.9 s/step"),
        (2, "ends 14:32 (2 min)"),
        (5, "of one epoch"),
    ),
)


def test_a_live_run_shows_its_phase_step_rate_and_end(home: Path) -> None:
    run = recorded(home, list(training(74)))
    alive(run, "training", at=80)
    texts = state_line(snapshot_of(run, home))
    clock = clock_time(START + 80 + 46, START + 81)
    assert (texts.state, texts.name) == ("● training", "rank16")
    assert dict(texts.details) == {
        1: "step 74/120",
        3: "61 %",
        4: "1.0 steps/s",
        2: f"ends {clock} (45 s)",
    }


def test_a_run_of_slurm_shows_its_nodes(home: Path) -> None:
    run = recorded(home, list(training(74)))
    alive(run, "training", at=80)
    snapshot = snapshot_of(run, home)
    summary = replace(snapshot.summary, message="on n[1-2] (Slurm 4711)")
    texts = state_line(replace(snapshot, summary=summary))
    assert texts.details[-1] == (6, "on n[1-2] (Slurm 4711)")


def test_an_ended_run_shows_its_steps_and_how_long_it_took(home: Path) -> None:
    run = recorded(home, list(training(120)))
    append(run, list(finish(126, run)))
    ended(run)
    texts = state_line(snapshot_of(run, home, at=200))
    assert (texts.state, texts.fraction) == ("✓ done", None)
    assert dict(texts.details) == {1: "step 120/120", 2: "took 2 min 08 s"}


@pytest.mark.parametrize(
    ("width", "parts"),
    [
        (120, ["step 60/120  50 %  ━━", "1.9 s/step  ends 14:32 (2 min)  of one epoch"]),
        (76, ["step 60/120  50 %", "1.9 s/step  ends 14:32 (2 min)"]),
        (60, ["step 60/120  50 %", "ends 14:32 (2 min)"]),
        (34, ["● training   rank16   step 60/120"]),
        (19, ["● training   rank16"]),
    ],
)
def test_details_are_left_out_by_their_priority(width: int, parts: list[str]) -> None:
    line = fit_state_line(TEXTS, width).plain
    assert len(line) <= width
    assert all(part in line for part in parts)


def test_a_long_name_is_cut_to_a_quarter_of_the_line() -> None:
    texts = StateLineTexts("● training", "$primary", "n" * 60, None, ((1, "step 60/120"),))
    assert fit_state_line(texts, 40).plain == f"● training   {'n' * 12}…   step 60/120"


def test_the_clock_names_another_day() -> None:
    noon = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))
    assert clock_time(noon + 3600, noon) == "13:00"
    assert clock_time(noon + 24 * 3600, noon) == "Mon 12:00"


def test_counted_to_the_end_it_shows_no_full_bar_while_work_goes_on(home: Path) -> None:
    phase = (1.0, "phase", {"name": "preparing", "detail": ""})
    counted = (2.0, "progress", {"done": 60, "total": 60, "unit": "rows"})
    run = recorded(home, [phase, counted])
    alive(run, "preparing", at=80)
    texts = state_line(snapshot_of(run, home))
    assert (texts.fraction, dict(texts.details)[1]) == (None, "60/60 rows")
    assert 3 not in dict(texts.details)


def test_a_bar_is_full_only_at_the_end() -> None:
    texts = StateLineTexts("● training", "$primary", "x", 0.999, ((1, "step 999/1000"),))
    assert "─" in fit_state_line(texts, 60).plain
