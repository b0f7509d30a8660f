"""The owner of several ranks: one stream of events, one end, and nobody left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepsynth_tui.runs import process
from deepsynth_tui.runs.control import StopOutcome, request_stop, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import start_process
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.tail import EventTail
from tests.process.test_jobs import is_at, state, wait_until

OWNER = str(Path(__file__).with_name("dummy_owner.py"))


@pytest.fixture
def run(home: Path) -> Iterator[RunDirectory]:
    """A run that, if a test fails, does not outlive it."""
    made = create_run(home, kind="training", name="dummy", config_text="")
    yield made
    if (status := read_status(made)) and status.pid and process.process_start(status.pid):
        os.killpg(status.pid, signal.SIGKILL)


def begin(run: RunDirectory, way: str) -> int:
    return start_process(run, [sys.executable, OWNER, str(run.path), way])


def pids(run: RunDirectory) -> dict[int, int]:
    """The ranks that have spoken, by number."""
    events = EventTail(run.events).poll()
    told = [event.data for event in events if "rank" in event.data]
    return {int(str(one["rank"])): int(str(one["pid"])) for one in told}


def both(run: RunDirectory) -> dict[int, int]:
    wait_until(lambda: len(pids(run)) == 2)
    return pids(run)


def nobody_left(*numbers: int) -> bool:
    return not any(process.process_start(pid) for pid in numbers)


@pytest.mark.parametrize("now", [True, False])
def test_a_request_reaches_the_first_rank(run: RunDirectory, now: bool) -> None:
    begin(run, "obedient")
    both(run)
    request_stop(run, now=now)
    wait_until(is_at(run, "stopped"))
    ended = state(run)
    assert [one.message for one in ended.warnings] == [
        f"heard {'stop' if now else 'stop-after-checkpoint'}"
    ]
    assert ended.results == {"path": "adapter"}
    assert "[rank 1] a word\n[rank 1] another\n" in run.console.read_text()


def test_kill_of_a_rank_fails_the_run_and_ends_the_others(run: RunDirectory) -> None:
    begin(run, "deaf")
    ranks = both(run)
    os.kill(ranks[1], signal.SIGKILL)
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert error.message == f"Rank 1 (pid {ranks[1]}) was ended by SIGKILL"
    assert "main memory" in error.advice
    assert nobody_left(*ranks.values())


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("contagious", "Rank 1: The loss became nan"),
        ("lonely", "was ended by SIGSEGV"),
        ("silent", "Rank 1 ended without a word, with exit code 0"),
    ],
)
def test_the_reason_is_that_of_the_rank_that_went_first(
    run: RunDirectory, way: str, said: str
) -> None:
    begin(run, way)
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert said in error.message
    assert nobody_left(*pids(run).values())


def test_the_change_that_would_help_comes_from_any_rank(run: RunDirectory) -> None:
    begin(run, "full")
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert error.message == "Rank 1: The GPU is full"
    assert error.changes == {"training.per_device_train_batch_size": 1}


def test_kill_of_the_owner_leaves_no_rank(run: RunDirectory) -> None:
    owner = begin(run, "deaf")
    ranks = both(run)
    os.kill(owner, signal.SIGKILL)
    wait_until(is_at(run, "crashed"))
    wait_until(lambda: nobody_left(*ranks.values()))


def test_ranks_that_do_not_listen_are_interrupted(run: RunDirectory) -> None:
    begin(run, "deaf")
    ranks = both(run)
    assert stop_and_wait(run, grace=1) is StopOutcome.TERMINATED
    assert state(run).verdict == "stopped"
    assert nobody_left(*ranks.values())
