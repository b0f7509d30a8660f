"""Whatever happens at the same moment, a run has one job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import LaunchError, start_process
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.lock import RunBusy
from deepsynth_tui.runs.summary import summarize
from tests.process.test_jobs import argv, wait_until

LAUNCHERS, TRIALS = 4, 40
_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def kill_later() -> Iterator[Callable[[int], None]]:
    pids: list[int] = []
    yield pids.append
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def launch_all(runs: list[RunDirectory], together: Barrier, started: Queue[tuple[str, int]]):
    for run in runs:
        together.wait()
        try:
            started.put((run.id, start_process(run, ["sleep", "60"])))
        except RunBusy:
            started.put((run.id, 0))


def test_simultaneous_launches_start_one_job(home: Path, kill_later: Callable[[int], None]):
    runs = [
        create_run(home, kind="training", name=str(number), config_text="")
        for number in range(TRIALS)
    ]
    together, started = _FORK.Barrier(LAUNCHERS), _FORK.Queue()
    launchers = [
        _FORK.Process(target=launch_all, args=(runs, together, started)) for _ in range(LAUNCHERS)
    ]
    for launcher in launchers:
        launcher.start()
    results = [started.get(timeout=60) for _ in range(LAUNCHERS * TRIALS)]
    jobs = {run.id: [pid for name, pid in results if name == run.id and pid] for run in runs}
    for pids in jobs.values():
        for pid in pids:
            kill_later(pid)
    for launcher in launchers:
        launcher.join(60)
        assert launcher.exitcode == 0
    assert {name: len(pids) for name, pids in jobs.items()} == {run.id: 1 for run in runs}


def test_job_started_by_hand_beside_a_live_one(home: Path, kill_later: Callable[[int], None]):
    run = create_run(home, kind="training", name="dummy", config_text="")
    kill_later(start_process(run, argv(run, "steps")))
    wait_until(lambda: summarize(run).state == "running")
    run.status.write_text("{}")  # nothing but the lock says that it is running
    second = subprocess.run(argv(run, "finishes"), capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert "Traceback" not in second.stderr


def test_killed_job_leaves_no_lock(home: Path, kill_later: Callable[[int], None]):
    run = create_run(home, kind="training", name="dummy", config_text="")
    pid = start_process(run, argv(run, "holds_forked_worker"))
    wait_until(lambda: (run.path / "worker").is_file() and (run.path / "worker").read_text())
    kill_later(int((run.path / "worker").read_text()))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: summarize(run).state == "crashed")
    start_process(run, argv(run, "finishes"))
    wait_until(lambda: summarize(run).state == "done")


def test_ended_job_can_be_launched_again_at_once(home: Path):
    run = create_run(home, kind="training", name="dummy", config_text="")
    for _ in range(3):
        start_process(run, argv(run, "finishes"))
        wait_until(lambda: summarize(run).state == "done")


def test_run_whose_status_a_power_cut_emptied_can_be_resumed(home: Path):
    run = create_run(home, kind="training", name="dummy", config_text="")
    run.status.write_bytes(b"")
    start_process(run, argv(run, "finishes"))
    wait_until(lambda: summarize(run).state == "done")


def test_job_without_a_lock_is_not_started_twice(home: Path, kill_later: Callable[[int], None]):
    run = create_run(home, kind="training", name="dummy", config_text="")
    kill_later(start_process(run, argv(run, "steps")))
    wait_until(lambda: summarize(run).state == "running")
    status = read_status(run)
    assert status is not None
    run.lock.unlink()  # of an earlier version: only its identity says that it runs
    with pytest.raises(LaunchError, match=f"already running .pid {status.pid}"):
        start_process(run, [sys.executable, "-c", ""])
