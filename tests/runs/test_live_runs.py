"""Live runs among ended ones: which are found, and what is read for that."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs import json_file, live_runs
from deepsynth_tui.runs import summary as summary_module
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.live_runs import LiveRuns, live_summaries
from deepsynth_tui.runs.liveness import ENDED, ProcessStatus, write_status


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs whose status was read to find the live ones."""
    ids: list[str] = []
    real = live_runs.read_status
    monkeypatch.setattr(live_runs, "read_status", lambda run: ids.append(run.id) or real(run))
    return ids


def test_live_runs_are_found_without_the_logs_of_the_others(
    home: Path, run: RunDirectory, alive: ProcessStatus, monkeypatch: pytest.MonkeyPatch
):
    for number, changes in enumerate(({"phase": ENDED}, {"process_start": "1"})):
        other = create_run(home, kind="training", name=str(number), config_text="")
        write_status(other, replace(alive, **changes))
    never = create_run(home, kind="training", name="never started", config_text="", now=1e9)
    os.utime(never.path, (1e9, 1e9))
    read: list[str] = []
    real = summary_module.read_last_state
    monkeypatch.setattr(
        summary_module,
        "read_last_state",
        lambda run, kind: read.append(run.id) or real(run, kind),
    )
    assert [summary.id for summary in live_summaries(home)] == [run.id]
    assert read == [run.id]


def test_a_second_look_reads_only_live_runs_and_folders_that_changed(
    home: Path,
    run: RunDirectory,
    alive: ProcessStatus,
    read: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_file, "SETTLED_SECONDS", -10.0)  # remembered from the first look on
    others = [create_run(home, kind="training", name=str(i), config_text="") for i in range(20)]
    for other in others:
        write_status(other, replace(alive, phase=ENDED))
    runs = LiveRuns(home)
    assert [summary.id for summary in runs.look()] == [run.id]
    assert len(read) == 21
    read.clear()
    assert [summary.id for summary in runs.look()] == [run.id]
    assert read == [run.id]
    write_status(others[3], alive)  # resumed
    read.clear()
    assert {summary.id for summary in runs.look()} == {run.id, others[3].id}
    assert sorted(read) == sorted([run.id, others[3].id])
    write_status(run, replace(alive, phase=ENDED))
    assert [summary.id for summary in runs.look()] == [others[3].id]


def test_a_folder_that_has_just_changed_is_read_again(
    home: Path, run: RunDirectory, alive: ProcessStatus, read: list[str]
) -> None:
    write_status(run, replace(alive, phase=ENDED))
    runs = LiveRuns(home)
    assert [*runs.look(), *runs.look()] == []
    assert read == [run.id, run.id]


def test_a_run_that_was_created_just_now_is_live(home: Path, run: RunDirectory) -> None:
    assert [summary.id for summary in live_summaries(home)] == [run.id]
    os.utime(run.path, (0, 0))
    assert live_summaries(home) == []
