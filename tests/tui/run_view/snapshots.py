"""Snapshots of recorded runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.run_view.reader import RunReader, RunSnapshot
from tests.pilot.recorded_runs import START, Recorded, append, new_run


def snapshot_of(run: RunDirectory, home: Path, at: float = 81.0) -> RunSnapshot:
    """Return what a monitor shows of a run at START + `at`."""
    snapshot = RunReader(run, home, clock=lambda: START + at).poll()
    assert snapshot is not None
    return snapshot


def recorded(
    home: Path, *parts: Sequence[Recorded], kind: str = "training", name: str = "rank16"
) -> RunDirectory:
    """Create a run with the events of all parts in the order of their times."""
    run = new_run(home, name, kind)
    append(run, sorted((event for part in parts for event in part), key=lambda event: event[0]))
    return run
