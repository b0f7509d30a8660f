"""Whichever write, fsync, rename or open fails: what is on disk is whole or absent."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.control import pending_request, request_stop
from deepsynth_tui.runs.directory import (
    RunDirectory,
    RunNotWritable,
    create_run,
    read_identity,
    scan_runs,
)
from deepsynth_tui.runs.errors import LaunchError, RunError
from deepsynth_tui.runs.events import UNREADABLE, Event, EventLog
from deepsynth_tui.runs.job import Failure, Job, run_job
from deepsynth_tui.runs.launch import start_process
from deepsynth_tui.runs.liveness import ENDED, own_status, read_status, write_status
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.runs.tail import EventTail
from tests.runs.fault_injector import faults

MODES = [
    pytest.param({}, id="once"),
    pytest.param({"lasting": True}, id="lasting"),
    pytest.param({"short": True}, id="short"),
    pytest.param({"short": True, "lasting": True}, id="short and lasting"),
]
OLD, NEW = b"old" * 100, b"new" * 100


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), "")


def events(run: RunDirectory) -> list[Event]:
    read: list[Event] = []
    tail = EventTail(run.events)
    while batch := tail.poll():
        read += batch
    assert all(event.kind != UNREADABLE for event in read)
    numbers = [event.seq for event in read]
    assert numbers == sorted(set(numbers))
    return read


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("durable", [False, True])
def test_replaced_file_is_the_old_or_the_new(tmp_path: Path, mode: dict, durable: bool):
    path = tmp_path / "file"
    for injector in faults(tmp_path, **mode):
        path.write_bytes(OLD)
        try:
            with injector:
                atomic.replace(path, NEW, durable=durable)
        except OSError:
            assert path.read_bytes() in (OLD, NEW)
        else:
            assert path.read_bytes() == NEW
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_run_is_created_whole_or_not_at_all(tmp_path: Path, mode: dict, elsewhere: bool):
    for number, injector in enumerate(faults(tmp_path, **mode)):
        home = tmp_path / f"home{number}"
        at = tmp_path / f"out{number}" if elsewhere else None
        try:
            with injector:
                run = create_run(home, kind="training", name="x", config_text="a: 1\n", at=at)
        except RunNotWritable:
            assert scan_runs(home) == []
            assert not (home / "runs").exists() or not list((home / "runs").iterdir())
            # Nothing is in the way of a second attempt.
            run = create_run(home, kind="training", name="x", config_text="a: 1\n", at=at)
        assert read_identity(run).name == "x"
        assert run.config.read_text() == "a: 1\n"
        assert [listed.run.id for listed in scan_runs(home)] == [run.id]


@pytest.mark.parametrize("mode", MODES)
def test_log_holds_whole_events_and_goes_on(tmp_path: Path, mode: dict):
    for number, injector in enumerate(faults(tmp_path, **mode)):
        run = RunDirectory("x", tmp_path / f"run{number}")
        run.path.mkdir()
        written: list[int] = []
        with injector, contextlib.suppress(OSError), EventLog(run.events) as log:
            for step in range(4):
                with contextlib.suppress(OSError):
                    log.write("metric", step=step)
                    written.append(step)
            with contextlib.suppress(OSError):
                log.write("checkpoint", path="x", step=9)
        with EventLog(run.events) as log:
            log.write("done", verdict="completed")
        read = events(run)
        steps = [event.data["step"] for event in read if event.kind == "metric"]
        assert steps == written
        assert read[-1].kind == "done"


@pytest.mark.parametrize("mode", MODES)
def test_status_is_the_old_or_the_new(run: RunDirectory, mode: dict):
    old, new = own_status(1.0), own_status(2.0)
    for injector in faults(run.path, **mode):
        run.status.unlink(missing_ok=True)
        write_status(run, old)
        with injector, contextlib.suppress(OSError):
            write_status(run, new, durable=True)
        assert read_status(run) in (old, new)


@pytest.mark.parametrize("mode", MODES)
def test_failed_launch_can_be_repeated(home: Path, mode: dict):
    run = create_run(home, kind="training", name="x", config_text="")
    for injector in faults(run.path, **mode):
        try:
            with injector:
                start_process(run, ["true"])
        except LaunchError:
            assert summarize(run).state in ("starting", "crashed")
            start_process(run, ["true"])
        _let_the_lock_go(run)


@pytest.mark.parametrize("mode", MODES)
def test_job_leaves_a_log_that_the_next_one_continues(home: Path, mode: dict):
    def body(job: Job) -> str:
        job.phase("training")
        job.progress(1, 2, "steps")
        job.metric(step=1, loss=1.0)
        job.checkpoint(job.run.checkpoints / "checkpoint-1", 1)
        job.result(rows=7)
        return "completed"

    run = create_run(home, kind="training", name="x", config_text="")
    for injector in faults(run.path, **mode):
        code: int | None = None
        with injector, contextlib.suppress(OSError):
            code = run_job(run.path, body, explain=explain, heartbeat_seconds=60)
        state = fold(RunState(), events(run))
        if code == 0:
            assert (state.verdict, state.results) == ("completed", {"rows": 7})
        assert summarize(run).state in ("done", "failed", "crashed", "running", "starting")
        assert run_job(run.path, body, explain=explain, heartbeat_seconds=60) == 0
        assert fold(RunState(), events(run)).verdict == "completed"
        status = read_status(run)
        assert status is not None
        assert status.phase == ENDED


@pytest.mark.parametrize("mode", MODES)
def test_request_is_there_or_not(run: RunDirectory, mode: dict):
    write_status(run, own_status(1.0))
    for injector in faults(run.path, **mode):
        with injector, contextlib.suppress(RunError):
            request_stop(run, now=True)
        assert pending_request(run) in (None, "stop")
        assert [path.name for path in run.control.iterdir()] in ([], ["stop"])
        for path in run.control.iterdir():
            path.unlink()


def _let_the_lock_go(run: RunDirectory) -> None:
    """Wait until the process that was launched has ended."""
    while True:
        try:
            claim(run).release()
        except RunBusy:
            continue
        return
