"""The order of the queue, and the entries of runs in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs import queue
from deepsynth_tui.runs.control import StopOutcome, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.liveness import own_status, write_status
from deepsynth_tui.runs.queue import QueueError
from deepsynth_tui.runs.summary import summarize


@pytest.fixture
def runs(home: Path) -> list[RunDirectory]:
    """Three runs that wait."""
    runs = [create_run(home, kind="training", name=name, config_text="") for name in "abc"]
    for run in runs:
        queue.enqueue(home, run, device="cpu")
    return runs


def orders(runs: list[RunDirectory]) -> list[float]:
    entries = [queue.read_entry(run) for run in runs]
    return [entry.order for entry in entries if entry is not None]


@pytest.mark.parametrize(
    ("position", "order"), [(1, 0.0), (2, 1.5), (3, 3.0), (-1, 3.0), (-2, 1.5), (-3, 0.0)]
)
def test_a_moved_run_gets_an_order_between_its_neighbours_which_keep_theirs(
    home: Path, runs: list[RunDirectory], position: int, order: float
) -> None:
    assert queue.move(home, runs[2], position) == (position if position > 0 else position + 4)
    assert orders(runs) == [1.0, 2.0, order]


def test_a_position_that_does_not_exist(home: Path, runs: list[RunDirectory]) -> None:
    for position in (0, 4, -4):
        with pytest.raises(QueueError) as raised:
            queue.move(home, runs[0], position)
        assert raised.value.advice == "Give one from 1 to 3"


def test_a_damaged_run_does_not_keep_others_out_of_the_queue_after_a_power_cut(
    home: Path, runs: list[RunDirectory]
) -> None:
    for run in runs[1:]:
        status = own_status(0.0)
        write_status(run, replace(status, phase="training", boot_id="of an earlier start"))
        queue.remove_entry(run)
    runs[1].queued.write_text("{}")
    assert queue.enqueue_interrupted(home) == [runs[2]]
    assert [waiting.run for waiting in queue.waiting_runs(home)] == [runs[2], runs[0], runs[1]]


def test_stopping_a_run_that_waits_takes_it_out_of_the_queue(
    home: Path, runs: list[RunDirectory]
) -> None:
    assert stop_and_wait(runs[0], grace=0) is StopOutcome.EXITED
    assert summarize(runs[0]).state == "stopped"
    assert [waiting.run for waiting in queue.waiting_runs(home)] == runs[1:]
