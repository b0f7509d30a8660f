"""What a run writes is its owner's alone, and others are refused in words."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.control import NotStopped, request_stop
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.job import Failure, run_job
from deepsynth_tui.runs.liveness import own_status, write_status
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_home_and_runs_are_private(home: Path, tmp_path: Path):
    run = create_run(home, kind="training", name="x", config_text="")
    elsewhere = create_run(home, kind="training", name="y", config_text="", at=tmp_path / "a" / "b")
    for folder in (home, home / "runs", run.path, run.control, elsewhere.path, tmp_path / "a"):
        assert mode(folder) == 0o700


def test_shared_folder_of_the_user_stays_shared(home: Path, tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o775)
    run = create_run(home, kind="training", name="x", config_text="", at=shared)
    assert (mode(shared), mode(run.control)) == (0o775, 0o700)


@pytest.mark.parametrize(
    ("permissions", "warned"), [(0o700, 0), (0o755, 0), (0o770, 1), (0o777, 1)]
)
def test_job_warns_of_a_control_folder_that_others_can_write(
    run: RunDirectory, permissions: int, warned: int
):
    run.control.chmod(permissions)
    run_job(run.path, lambda job: "completed", explain=lambda error: Failure("", str(error), ""))
    warnings = fold(RunState(), EventTail(run.events).poll()).warnings
    assert len(warnings) == warned
    assert all("Others can stop this run" in warning.message for warning in warnings)


def test_run_of_another_user_is_not_stopped(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    with EventLog(run.events) as log:
        log.write("phase", name="training")
    write_status(run, replace(own_status(time.time()), heartbeat=time.time(), phase="training"))

    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(atomic, "replace", refuse)  # root may write everywhere
    with pytest.raises(NotStopped, match=rf"{run.id} is a run of .*, not yours\. Only its owner"):
        request_stop(run, now=True)
