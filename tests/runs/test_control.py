"""Requests are files, the strongest one counts, and only a running job can be asked."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import replace

import pytest

from deepsynth_tui.runs import control
from deepsynth_tui.runs.control import (
    NotRunning,
    NotStopped,
    StopOutcome,
    clear_requests,
    pending_request,
    request_stop,
    stop_and_wait,
)
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.liveness import (
    ENDED,
    ProcessStatus,
    new_status,
    own_status,
    write_status,
)
from deepsynth_tui.runs.lock import claim


@pytest.fixture
def alive(run: RunDirectory) -> ProcessStatus:
    status = replace(own_status(time.time()), heartbeat=time.time(), phase="training")
    write_status(run, status)
    return status


def test_stop_now_replaces_a_weaker_request_and_stays(run: RunDirectory, alive: ProcessStatus):
    assert pending_request(run) is None
    request_stop(run, now=False)
    assert pending_request(run) == "stop-after-checkpoint"
    request_stop(run, now=True)
    assert pending_request(run) == "stop"
    request_stop(run, now=False)
    assert pending_request(run) == "stop"
    clear_requests(run)
    assert pending_request(run) is None


def test_a_missing_control_folder_is_created(run: RunDirectory, alive: ProcessStatus):
    run.control.rmdir()
    assert pending_request(run) is None
    request_stop(run, now=True)
    assert pending_request(run) == "stop"


@pytest.mark.parametrize("stop", [request_stop, stop_and_wait])
def test_run_that_was_never_started(run: RunDirectory, stop):
    options = {"now": True} if stop is request_stop else {"grace": 1}
    with pytest.raises(NotRunning, match="never started"):
        stop(run, **options)
    assert pending_request(run) is None


@pytest.mark.parametrize("stop", [request_stop, stop_and_wait])
def test_run_that_is_dead(run: RunDirectory, alive: ProcessStatus, stop):
    write_status(run, replace(alive, process_start="1"))
    options = {"now": True} if stop is request_stop else {"grace": 1}
    with pytest.raises(NotRunning, match="already ended"):
        stop(run, **options)
    assert pending_request(run) is None


def test_run_that_has_just_written_its_end(run: RunDirectory, alive: ProcessStatus):
    write_status(run, replace(alive, phase=ENDED))
    with pytest.raises(NotRunning, match="already ended"):
        request_stop(run, now=True)


def test_remote_run_is_asked_but_not_signalled(run: RunDirectory, alive: ProcessStatus):
    # Its pid is ours here: a signal would end this test.
    write_status(run, replace(alive, host="gpu-7", boot_id="another"))
    with pytest.raises(NotStopped, match=r"runs on gpu-7.*on that machine"):
        stop_and_wait(run, grace=0)
    assert pending_request(run) == "stop"


def test_a_job_gets_its_time_to_end_by_itself(run: RunDirectory):
    child = subprocess.Popen(["sleep", "0.5"])
    threading.Thread(target=child.wait).start()
    status = replace(new_status(time.time(), child.pid), heartbeat=time.time(), phase="training")
    write_status(run, status)
    assert stop_and_wait(run, grace=60) is StopOutcome.EXITED


def test_the_end_of_a_killed_job_is_not_written_into_the_run_of_another_process(
    run: RunDirectory, alive: ProcessStatus, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("deepsynth_tui.runs.lock.END_SECONDS", 0.0)
    with claim(run):
        control._record_kill(run, alive, 1)
    assert not run.events.exists()


def test_a_job_in_the_group_of_a_shell_is_killed_alone(run: RunDirectory):
    child = subprocess.Popen(["sleep", "60"])
    control._kill_group(new_status(time.time(), child.pid))
    assert child.wait(30) == -signal.SIGKILL
