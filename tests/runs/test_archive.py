"""An archived run is out of the list, is still found, and comes back."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.archive import archive, is_archived, restore
from deepsynth_tui.runs.directory import RunDirectory, RunNotFound, find_run
from deepsynth_tui.runs.launch import start_process
from deepsynth_tui.runs.liveness import own_status, write_status
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.summary import list_summaries


def listed(home: Path, *, archived: bool = False) -> list[str]:
    return [summary.id for summary in list_summaries(home, archived=archived)]


def test_an_archived_run_leaves_the_list_and_comes_back(home: Path, run: RunDirectory):
    assert archive(run)
    assert not archive(run)
    assert (listed(home), listed(home, archived=True)) == ([], [run.id])
    assert find_run(home, run.id) == run
    assert run.config.is_file()
    assert restore(run)
    assert not restore(run)
    assert (listed(home), listed(home, archived=True)) == ([run.id], [])


def test_a_live_run_stays_in_the_list(home: Path, run: RunDirectory):
    with claim(run):
        write_status(run, replace(own_status(time.time()), heartbeat=time.time()))
        with pytest.raises(RunBusy):
            archive(run)
    assert listed(home) == [run.id]


def test_a_run_that_is_started_again_is_in_the_list(home: Path, run: RunDirectory):
    archive(run)
    start_process(run, [sys.executable, "-c", ""])
    assert not is_archived(run)
    assert listed(home) == [run.id]


def test_a_run_that_is_gone(run: RunDirectory):
    run.identity.unlink()
    with pytest.raises(RunNotFound):
        archive(run)
