"""The launcher of several ranks: one stream of events, one end, and no process left behind."""

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

LAUNCHER = str(Path(__file__).with_name("dummy_launcher.py"))


@pytest.fixture
def run(home: Path) -> Iterator[RunDirectory]:
    """A run that is killed if a test fails."""
    directory = create_run(home, kind="training", name="dummy", config_text="")
    yield directory
    if (status := read_status(directory)) and status.pid and process.process_start(status.pid):
        os.killpg(status.pid, signal.SIGKILL)


def start(run: RunDirectory, behaviour: str) -> int:
    """Launch two ranks, each of which does what `dummy_rank.<behaviour>` does."""
    return start_process(run, [sys.executable, LAUNCHER, str(run.path), behaviour])


def rank_pids(run: RunDirectory) -> dict[int, int]:
    """Return the pids of the ranks that have sent theirs."""
    started = [event.data for event in EventTail(run.events).poll() if "rank" in event.data]
    return {int(str(data["rank"])): int(str(data["pid"])) for data in started}


def wait_for_both(run: RunDirectory) -> dict[int, int]:
    wait_until(lambda: len(rank_pids(run)) == 2)
    return rank_pids(run)


def all_gone(*pids: int) -> bool:
    return not any(process.process_start(pid) for pid in pids)


@pytest.mark.parametrize("now", [True, False])
def test_a_request_reaches_the_first_rank(run: RunDirectory, now: bool) -> None:
    start(run, "obeys")
    wait_for_both(run)
    request_stop(run, now=now)
    wait_until(is_at(run, "stopped"))
    ended = state(run)
    assert [warning.message for warning in ended.warnings] == [
        f"received {'stop' if now else 'stop-after-checkpoint'}"
    ]
    assert ended.results == {"path": "adapter"}
    assert "[rank 1] a word\n[rank 1] another\n" in run.console.read_text()


def test_killing_a_rank_fails_the_run_and_ends_the_others(run: RunDirectory) -> None:
    start(run, "hangs")
    ranks = wait_for_both(run)
    os.kill(ranks[1], signal.SIGKILL)
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert error.message == f"Rank 1 (pid {ranks[1]}) was ended by SIGKILL"
    assert "main memory" in error.advice
    assert all_gone(*ranks.values())


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("fails_second", "Rank 1: The loss became nan"),
        ("killed", "was ended by SIGSEGV"),
        ("exits", "Rank 1 exited with status 0 and gave no reason"),
    ],
)
def test_the_reported_reason_is_that_of_the_rank_that_caused_it(
    run: RunDirectory, behaviour: str, message: str
) -> None:
    start(run, behaviour)
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert message in error.message
    assert all_gone(*rank_pids(run).values())


def test_changes_that_would_help_come_from_any_rank(run: RunDirectory) -> None:
    start(run, "out_of_memory")
    wait_until(is_at(run, "failed"), seconds=10)
    error = state(run).error
    assert error is not None
    assert error.message == "Rank 1: The GPU is full"
    assert error.changes == {"training.per_device_train_batch_size": 1}


def test_killing_the_launcher_leaves_no_rank(run: RunDirectory) -> None:
    launcher = start(run, "hangs")
    ranks = wait_for_both(run)
    os.kill(launcher, signal.SIGKILL)
    wait_until(is_at(run, "crashed"))
    wait_until(lambda: all_gone(*ranks.values()))


def test_ranks_that_hang_are_interrupted(run: RunDirectory) -> None:
    start(run, "hangs")
    ranks = wait_for_both(run)
    assert stop_and_wait(run, grace=1) is StopOutcome.TERMINATED
    assert state(run).verdict == "stopped"
    assert all_gone(*ranks.values())
