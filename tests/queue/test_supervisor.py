"""The supervisor starts each run once, whatever is killed and however many there are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from deepsynth_tui.queue.rows import queue_view
from deepsynth_tui.queue.supervisor import supervise
from deepsynth_tui.queue.wake import wake
from deepsynth_tui.runs import control, device_lock, launch, process, queue
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import start_process
from deepsynth_tui.runs.live_runs import live_summaries
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.runs.supervisor_status import is_supervised, read_supervisor
from tests.process.test_jobs import wait_until

STEPS = {"os.rename", "os.remove", "fcntl.flock", "subprocess.Popen"}
LAST_STEP = 25
"""Beyond the launch of a run."""
Supervisor = subprocess.Popen[bytes]


def supervisor(home: Path) -> Supervisor:
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-m", "tests.queue.dummy_supervisor", home], env=env)


def queued(home: Path, *names: str, needed: int | None = None) -> list[RunDirectory]:
    runs = [create_run(home, kind="training", name=name, config_text="") for name in names]
    for run in runs:
        queue.enqueue(home, run, device="cpu", environment=environment(home), needed=needed)
    return runs


def environment(home: Path) -> dict[str, str]:
    return {"DEEPSYNTH_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}


def starts(run: RunDirectory) -> int:
    file = run.path / "starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


def states(runs: list[RunDirectory]) -> list[str]:
    return [summarize(run).state for run in runs]


@pytest.fixture(autouse=True)
def kill_the_rest(home: Path) -> Iterator[None]:
    yield
    if (status := read_supervisor(home)) and process.process_start(status.pid):
        os.kill(status.pid, signal.SIGKILL)
    for run in live_summaries(home):
        if run.pid and process.process_start(run.pid):
            os.killpg(run.pid, signal.SIGKILL)


def test_the_cpu_runs_one_at_a_time_in_order_and_a_failure_stops_nothing(home: Path):
    runs = queued(home, "quick", "fails", "long", "quick")
    process = supervisor(home)
    wait_until(lambda: states(runs)[2] == "running" and queue_view(home).rows)
    assert states(runs) == ["done", "failed", "running", "queued"]
    assert summarize(runs[3]).position == 1
    wait_until(lambda: runs[2].id in queue_view(home).rows[0].reason)
    assert queue_view(home).running == ((runs[2].id, "the CPU"),)
    (home / "finish").touch()
    assert process.wait(60) == 0
    assert states(runs) == ["done", "failed", "done", "done"]
    assert [starts(run) for run in runs] == [1, 1, 1, 1]
    assert read_supervisor(home) is None


def supervise_and_die(home: Path, step: int) -> None:
    """Supervise in a forked process, which is killed at its `step`-th lock, rename or process."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    count = 0

    def die(event: str, arguments: object) -> None:
        nonlocal count
        if event not in STEPS:
            return
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    launch.JOBS["training"] = "tests.queue.dummy_job"
    sys.addaudithook(die)
    os._exit(supervise(home))


def test_a_supervisor_killed_at_any_step_loses_no_run_and_starts_none_twice(home: Path):
    runs: list[RunDirectory] = []
    left = [0]
    for step in range(1, LAST_STEP, 2):
        runs += queued(home, "quick")
        supervise_and_die(home, step)
        left.append(len(queue.waiting_runs(home)))
    assert any(now > before for before, now in pairwise(left))  # killed before the launch of a run
    assert any(now <= before for before, now in pairwise(left))  # and after
    assert supervisor(home).wait(60) == 0
    assert states(runs) == ["done"] * len(runs)
    assert [starts(run) for run in runs] == [1] * len(runs)


def test_several_supervisors_at_once_start_each_run_once(home: Path):
    runs = queued(home, *["quick"] * 4)
    supervisors = [supervisor(home) for _ in range(4)]
    assert [process.wait(60) for process in supervisors] == [0] * 4
    wait_until(lambda: states(runs) == ["done"] * len(runs))
    assert [starts(run) for run in runs] == [1] * len(runs)


def test_runs_outlive_the_supervisor_and_hold_the_device(home: Path):
    first, second = queued(home, "long", "quick")
    victim = supervisor(home)
    wait_until(lambda: summarize(first).state == "running")
    victim.kill()
    victim.wait()
    assert device_lock.holder(home, "cpu") == first.id
    assert not is_supervised(home)
    again = supervisor(home)
    wait_until(lambda: first.id in summarize(second).message)
    assert starts(second) == 0
    (home / "finish").touch()
    assert again.wait(60) == 0
    assert states([first, second]) == ["done", "done"]


def test_a_dead_supervisor_is_replaced_and_that_is_said(home: Path):
    queued(home, "long", "quick")
    victim = supervisor(home)
    wait_until(lambda: read_supervisor(home) is not None)
    victim.kill()
    victim.wait()
    woken = wake(home)
    assert (woken.died, woken.pid is not None) == (victim.pid, True)
    assert wake(home).pid is None
    wait_until(lambda: queue_view(home).supervisor == woken.pid)


def test_a_run_started_outside_the_queue_keeps_the_cpu(home: Path):
    other = create_run(home, kind="training", name="long", config_text="")
    start_process(
        other,
        [sys.executable, "-m", "tests.queue.dummy_job", str(other.path)],
        env=environment(home),
    )
    wait_until(lambda: summarize(other).state == "running")
    (run,) = queued(home, "quick")
    process = supervisor(home)
    wait_until(lambda: other.id in summarize(run).message)
    assert starts(run) == 0
    (home / "finish").touch()
    assert process.wait(60) == 0
    assert starts(run) == 1


def test_what_never_fits_is_held_with_the_reason(home: Path):
    (large,) = queued(home, "quick", needed=1 << 60)
    (small,) = queued(home, "quick")
    assert supervisor(home).wait(60) == 0
    assert states([large, small]) == ["queued", "done"]
    assert "needs" in summarize(large).message
    assert "held" in summarize(large).message
    queue.cancel(home, large)
    assert summarize(large).state == "stopped"


def test_a_run_that_ended_with_the_machine_continues_first(home: Path):
    first, second = queued(home, "long", "quick")
    victim = supervisor(home)
    wait_until(lambda: summarize(first).state == "running")
    victim.kill()
    victim.wait()
    status = read_status(first)
    assert status is not None
    assert status.pid is not None
    os.killpg(status.pid, signal.SIGKILL)
    content = json.loads(first.status.read_text())
    first.status.write_text(json.dumps({**content, "boot_id": "the boot before"}))
    (home / "finish").touch()
    assert supervisor(home).wait(60) == 0
    assert states([first, second]) == ["done", "done"]
    assert (starts(first), starts(second)) == (2, 1)


def test_a_stop_takes_a_run_out_of_the_queue(home: Path):
    first, second, third = queued(home, "quick", "quick", "quick")
    control.request_stop(first, now=False)
    control.stop_and_wait(second, grace=1)
    assert states([first, second, third]) == ["stopped", "stopped", "queued"]
    assert summarize(third).position == 1
    assert supervisor(home).wait(60) == 0
    assert [starts(run) for run in (first, second, third)] == [0, 0, 1]
