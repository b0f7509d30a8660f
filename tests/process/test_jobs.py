"""Real processes: a run outlives the program that launched it, and stops on request."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deepsynth_tui.runs import process
from deepsynth_tui.runs.console import ConsoleTail
from deepsynth_tui.runs.control import StopOutcome, request_stop, stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.launch import JOBS, LaunchError, start_job, start_process
from deepsynth_tui.runs.liveness import read_status
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.runs.tail import EventTail
from tests.process.terminal import Terminal

DUMMY = str(Path(__file__).with_name("dummy_job.py"))
LAUNCHER = """
import sys
from pathlib import Path
from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.runs.launch import start_process
start_process(open_run(Path(sys.argv[1])), [sys.executable, *sys.argv[2:]])
print("launched", flush=True)
sys.stdin.read()
"""


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


def argv(run: RunDirectory, behaviour: str) -> list[str]:
    return [sys.executable, DUMMY, str(run.path), behaviour]


def state(run: RunDirectory) -> RunState:
    tail, current = EventTail(run.events), RunState()
    while events := tail.poll():
        current = fold(current, events)
    return current


def is_at(run: RunDirectory, *states: str) -> Callable[[], bool]:
    return lambda: summarize(run).state in states


def wait_for_steps(run: RunDirectory) -> None:
    """Wait until the run has made some more steps."""
    before = summarize(run).last_step or 0
    wait_until(lambda: (summarize(run).last_step or 0) > before + 3)


@pytest.fixture
def run(home: Path) -> Iterator[RunDirectory]:
    """A run that is killed if a test fails."""
    directory = create_run(home, kind="training", name="dummy", config_text="")
    yield directory
    if (status := read_status(directory)) and status.pid and process.process_start(status.pid):
        os.killpg(status.pid, signal.SIGKILL)


def test_job_has_its_own_session_and_no_stdin(run: RunDirectory):
    pid = start_process(run, argv(run, "finishes"), env={"DEEPSYNTH_TEST": "1"})
    wait_until(is_at(run, "done"))
    assert state(run).results == {"cwd": str(Path.cwd()), "stdin": "", "session": True}
    assert ConsoleTail(run.console).poll() == ["from the depths", "\\ud800 in any encoding"]
    wait_until(lambda: process.process_start(pid) is None)


def test_dead_job_is_reaped_while_its_launcher_lives(run: RunDirectory):
    pid = start_process(run, argv(run, "finishes"))
    wait_until(lambda: not _exists(pid))


def test_a_launched_run_has_a_state_at_once(run: RunDirectory):
    start_process(run, argv(run, "steps"))
    assert summarize(run).state in ("starting", "running")
    wait_until(is_at(run, "running"))


def test_job_that_dies_before_its_first_event_has_crashed(run: RunDirectory):
    start_process(run, [sys.executable, "-c", "raise SystemExit('no such module')"])
    wait_until(is_at(run, "crashed"))
    assert ConsoleTail(run.console).poll() == ["no such module"]


@pytest.mark.parametrize(
    ("kind", "resume", "more"),
    [
        ("dataset", False, []),
        ("dataset", True, []),
        ("training", False, []),
        ("training", True, ["--resume"]),
    ],
)
def test_start_passes_the_run_to_the_job_of_its_kind(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    resume: bool,
    more: list[str],
):
    assert importlib.util.find_spec(JOBS[kind])
    (tmp_path / "print_argv.py").write_text(
        "import json, sys; sys.stdout.write(json.dumps(sys.argv))"
    )
    # A file in the user's folder that is named like a library must not be imported.
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setitem(JOBS, kind, "print_argv")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = create_run(home, kind=kind, name="x", config_text="")
    start_job(run, resume=resume)
    wait_until(is_at(run, "crashed"))
    assert json.loads(run.console.read_text())[1:] == [str(run.path), *more]


def test_command_that_does_not_exist(run: RunDirectory):
    with pytest.raises(LaunchError, match=r"Cannot start /no/such.*No such file"):
        start_process(run, ["/no/such"])
    assert read_status(run) is None


def test_folder_of_the_run_is_gone(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run = create_run(home, kind="training", name="x", config_text="")
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(LaunchError, match=r"work: No such file.*folder the run was created in"):
        start_process(run, [sys.executable, "-c", ""])


def test_live_run_is_not_launched_twice(run: RunDirectory):
    pid = start_process(run, argv(run, "steps"))
    with pytest.raises(LaunchError, match=f"already running .pid {pid}"):
        start_process(run, argv(run, "steps"))


def start_launcher(run: RunDirectory, behaviour: str) -> subprocess.Popen[bytes]:
    """Start a process that launches the job and then waits on its standard input."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(run.path), *argv(run, behaviour)[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"launched\n"
    return launcher


def test_killing_the_launcher_leaves_the_job(run: RunDirectory):
    launcher = start_launcher(run, "steps")
    launcher.kill()
    launcher.communicate()
    wait_for_steps(run)
    assert stop_and_wait(run, grace=30) is StopOutcome.EXITED


def test_job_does_not_read_what_is_typed_to_its_launcher(run: RunDirectory):
    launcher = start_launcher(run, "finishes")
    wait_until(is_at(run, "done"))
    launcher.communicate()


def test_closing_the_terminal_leaves_the_job(run: RunDirectory):
    command = [sys.executable, "-c", LAUNCHER, str(run.path), *argv(run, "steps")[1:]]
    with Terminal(command) as terminal:
        terminal.wait_for(lambda text: "launched" in text)
        terminal.hang_up()
        terminal.wait_until_gone()
    wait_for_steps(run)
    assert stop_and_wait(run, grace=30) is StopOutcome.EXITED


def test_a_killed_job_has_crashed_and_can_go_on(run: RunDirectory):
    pid = start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    os.kill(pid, signal.SIGKILL)
    wait_until(is_at(run, "crashed"))
    assert state(run).verdict is None
    # Its events are kept, and the next process appends to them.
    before = state(run)
    start_process(run, argv(run, "finishes"))
    wait_until(is_at(run, "done"))
    after = state(run)
    assert after.last_seq > before.last_seq
    assert (after.attempts, after.unreadable_lines) == (2, 0)
    assert after.series == before.series


def test_suspended_job_is_unresponsive_and_recovers(run: RunDirectory):
    pid = start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: summarize(run, stale_after=0.5).state == "unresponsive")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: summarize(run, stale_after=5).state == "running")


def test_stop_now(run: RunDirectory):
    start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    request_stop(run, now=True)
    wait_until(is_at(run, "stopped"))
    assert state(run).verdict == "stopped"


def test_stop_after_the_checkpoint(run: RunDirectory):
    start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    request_stop(run, now=False)
    assert summarize(run).state in ("stopping", "stopped")
    wait_until(is_at(run, "stopped"))
    ended = state(run)
    assert ended.checkpoints[-1].step == ended.step


def test_request_to_a_dead_job_does_not_stop_the_next(run: RunDirectory):
    pid = start_process(run, argv(run, "ignores_requests"))
    wait_until(is_at(run, "running"))
    request_stop(run, now=True)
    os.kill(pid, signal.SIGKILL)
    wait_until(is_at(run, "crashed"))
    start_process(run, argv(run, "steps"))
    wait_for_steps(run)


def test_sigterm_is_stop_now(run: RunDirectory):
    pid = start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    os.kill(pid, signal.SIGTERM)
    wait_until(is_at(run, "stopped"))


def test_job_that_ignores_requests_is_interrupted(run: RunDirectory):
    start_process(run, argv(run, "ignores_requests"))
    wait_until(is_at(run, "running"))
    assert stop_and_wait(run, grace=1) is StopOutcome.TERMINATED
    assert summarize(run).state == "stopped"
    assert "Interrupted" in state(run).warnings[0].message


def test_suspended_job_can_be_stopped(run: RunDirectory):
    pid = start_process(run, argv(run, "steps"))
    wait_for_steps(run)
    os.kill(pid, signal.SIGSTOP)
    assert stop_and_wait(run, grace=1) is StopOutcome.TERMINATED
    assert summarize(run).state == "stopped"


def test_job_that_ignores_signals_is_killed_with_its_children(run: RunDirectory):
    start_process(run, argv(run, "ignores_signals"))
    wait_until(is_at(run, "running"))
    child = EventTail(run.events).poll()[-1].data["child"]
    assert isinstance(child, int)
    assert process.process_start(child) is not None
    assert stop_and_wait(run, grace=0.5) is StopOutcome.KILLED
    wait_until(lambda: process.process_start(child) is None)
    assert summarize(run).state == "stopped"
    assert "Killed" in state(run).warnings[0].message


def test_segmentation_fault_leaves_its_traceback_in_the_console(run: RunDirectory):
    start_process(run, argv(run, "segfault"))
    wait_until(is_at(run, "crashed"))
    shown = "\n".join(ConsoleTail(run.console).poll())
    assert "Segmentation fault" in shown
    assert "in segfault" in shown


def test_job_started_by_hand_does_the_same(run: RunDirectory):
    by_hand = subprocess.run(argv(run, "segfault"), capture_output=True, text=True, check=False)
    assert by_hand.returncode == -signal.SIGSEGV
    assert "in segfault" in by_hand.stderr
    assert summarize(run).state == "crashed"
    again = subprocess.run(
        argv(run, "finishes"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:replace"},
    )
    assert (again.returncode, summarize(run).state) == (0, "done")


def test_forked_worker_dies_when_terminated(run: RunDirectory):
    start_process(run, argv(run, "workers"))
    wait_until(is_at(run, "done"))
    assert state(run).results == {"exitcode": -signal.SIGTERM}


def test_chain_of_runs(home: Path, run: RunDirectory):
    second = create_run(home, kind="training", name="second", config_text="", after=run.id)
    start_process(run, argv(run, "steps"))
    start_process(second, argv(second, "finishes"))
    wait_until(is_at(second, "waiting"))
    stop_and_wait(run, grace=30)
    wait_until(is_at(second, "failed"))
    start_process(run, argv(run, "finishes"))
    start_process(second, argv(second, "finishes"))
    wait_until(is_at(second, "done"))
    assert state(second).attempts == 2


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
