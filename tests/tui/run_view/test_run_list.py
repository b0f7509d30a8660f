"""Rows of the list of runs: facts, filter and order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.log_overview import CURVE_POINTS
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.tui.run_view.run_list import (
    RunFactsReader,
    RunRow,
    SortKey,
    arrange,
    describe,
    run_rows,
)
from tests.pilot.recorded_runs import START, alive, append, drawing, ended, new_run, training

TEXT = "kind: training\nmodel: {{name_or_path: org/{model}}}\nlora: {{r: 16}}\ndata: {{path: /d}}\n"


def trained(home: Path, name: str, steps: int, *, later: float = 0.0, model: str = "m") -> RunRow:
    run = new_run(home, name, later=later, config_text=TEXT.format(model=model))
    append(run, [*training(steps), (6.0 + steps, "done", {"verdict": "completed"})])
    ended(run)
    return row_of(run)


def row_of(run: RunDirectory, reader: RunFactsReader | None = None, now: float = 100.0) -> RunRow:
    reader = reader or RunFactsReader()
    summary = summarize(run, START + now)
    facts = reader.read(summary, START + now)
    return replace(run_rows([summary], START + now)[0], facts=facts)


def test_facts_of_a_completed_run(home: Path) -> None:
    row = trained(home, "rank16", 100)
    assert row.facts is not None
    assert (row.method, row.time, row.age) == ("r16", "1 min 46 s", "1 min")
    assert row.facts.best_eval == pytest.approx(0.9, abs=0.2)
    assert len(row.facts.losses) == CURVE_POINTS
    assert row.facts.losses[0] > row.facts.losses[-1]


def test_an_ended_run_is_read_once_and_a_live_one_again(home: Path) -> None:
    reader = RunFactsReader()
    run = new_run(home, "live")
    append(run, list(training(20)))
    alive(run, "training", at=25)
    first = row_of(run, reader, now=26)
    append(run, [(27.0, "metric", {"step": 21, "loss": 0.5})])
    second = row_of(run, reader, now=28)
    assert first.facts != second.facts
    assert reader.known(second.summary) is None
    append(run, [(28.0, "done", {"verdict": "completed"})])
    ended(run)
    third = row_of(run, reader)
    assert reader.known(third.summary) == third.facts


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running 61 %"),
        ({"last_step": 120}, "running"),
        ({"last_step": None, "done": 3, "total": 4}, "running 75 %"),
        ({"state": "queued", "position": 2}, "queued 2"),
        ({"state": "unresponsive"}, "no response"),
    ],
)
def test_the_state_has_progress_or_a_place(home: Path, changes: dict[str, Any], state: str) -> None:
    run = new_run(home, "live")
    append(run, list(training(74)))
    alive(run, "training", at=80)
    row = row_of(run, now=81)
    assert replace(row, summary=replace(row.summary, **changes)).state == state


def test_a_run_that_waits_in_slurm_has_no_position(home: Path) -> None:
    row = row_of(new_run(home, "waits"))
    message = "in Slurm 4711 (Priority)"
    waits = replace(row.summary, state="queued", message=message)
    assert ("queued", message) in describe(replace(row, summary=waits))
    second = describe(replace(row, summary=replace(waits, position=2)))
    assert ("queue", f"position 2; {message}") in second


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["a", "b", "pages"]),
        ("QWEN", ["a"]),
        ("r16 done", ["a", "b"]),
        ("dataset", ["pages"]),
        ("nothing like this", []),
    ],
)
def test_every_word_of_a_filter_is_in_a_column(home: Path, text: str, names: list[str]) -> None:
    pages = new_run(home, "pages", "dataset")
    append(pages, list(drawing(3)))
    alive(pages, "drawing", at=90)
    rows = [trained(home, "a", 20, model="Qwen3"), trained(home, "b", 20), row_of(pages)]
    assert [row.summary.name for row in arrange(rows, text, "age")] == names


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("age", ["c", "a", "b"]),
        ("name", ["a", "b", "c"]),
        ("best eval", ["b", "a", "c"]),
        ("time", ["b", "a", "c"]),
    ],
)
def test_runs_without_a_value_come_last(home: Path, sort: SortKey, names: list[str]) -> None:
    rows = [trained(home, "c", 10), trained(home, "a", 40), trained(home, "b", 100)]
    assert [row.summary.name for row in arrange(rows, "", sort)] == names
