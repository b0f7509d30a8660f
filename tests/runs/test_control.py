"""Requests are files, the stronger one counts, and nobody is asked who is not there."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from deepsynth_tui.runs.control import (
    NotRunning,
    NotStopped,
    clear_requests,
    pending_request,
    request_stop,
    stop_and_wait,
)
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.liveness import ENDED, ProcessStatus, own_status, write_status


@pytest.fixture
def alive(run: RunDirectory) -> ProcessStatus:
    status = replace(own_status(time.time()), heartbeat=time.time(), phase="training")
    write_status(run, status)
    return status


def test_now_upgrades_after_checkpoint_and_is_not_weakened(run: RunDirectory, alive: ProcessStatus):
    assert pending_request(run) is None
    request_stop(run, now=False)
    assert pending_request(run) == "stop-after-checkpoint"
    request_stop(run, now=True)
    assert pending_request(run) == "stop"
    request_stop(run, now=False)
    assert pending_request(run) == "stop"
    clear_requests(run)
    assert pending_request(run) is None


def test_request_finds_its_folder_missing(run: RunDirectory, alive: ProcessStatus):
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


def test_run_that_has_just_said_it_ended(run: RunDirectory, alive: ProcessStatus):
    write_status(run, replace(alive, phase=ENDED))
    with pytest.raises(NotRunning, match="already ended"):
        request_stop(run, now=True)


def test_run_on_another_machine_is_asked_but_not_forced(run: RunDirectory, alive: ProcessStatus):
    # Its pid is ours here: a signal would end this test.
    write_status(run, replace(alive, host="gpu-7", boot_id="another"))
    with pytest.raises(NotStopped, match=r"runs on gpu-7.*on that machine"):
        stop_and_wait(run, grace=0)
    assert pending_request(run) == "stop"
