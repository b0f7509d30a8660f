"""The runs that have a process, found among many that have none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from deepsynth_tui.runs.directory import (
    RunDirectory,
    RunNotFound,
    folder_changed,
    iterate_folders,
)
from deepsynth_tui.runs.json_file import settled_version
from deepsynth_tui.runs.liveness import (
    GONE,
    STALE_AFTER,
    Liveness,
    StatusUnreadable,
    liveness,
    read_status,
)
from deepsynth_tui.runs.summary import RunSummary, summarize

Version = tuple[int, int, int]


class LiveRuns:
    """The live runs under `home`. Threads may share it.

    A run without a process is read again once its folder has changed, as it does when `status.json`
    is replaced: looking at a thousand ended runs takes milliseconds.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._without_process: Mapping[Path, Version] = {}

    def look(self) -> list[RunSummary]:
        """Summarize the runs that have a process, newest first. Runs in the queue have none yet.

        Raises RunUnreadable if the folder of all runs cannot be listed.
        """
        now, known = time.time(), self._without_process
        without_process: dict[Path, Version] = {}
        summaries: list[RunSummary] = []
        for run in iterate_folders(self._home):
            version = _folder_version(run)  # before its status: a later change is seen next time
            may_be_live = False if version and known.get(run.path) == version else _may_be_live(run)
            if may_be_live:
                summaries += _live_summary(run, now)
            elif version and may_be_live is not None:
                without_process[run.path] = version
        self._without_process = without_process
        return sorted(summaries, key=lambda run: (run.created, run.id), reverse=True)


def live_summaries(home: Path) -> list[RunSummary]:
    """Summarize the runs that have a process, newest first. Reads only the status of any other.

    Raises RunUnreadable if the folder of all runs cannot be listed.
    """
    return LiveRuns(home).look()


def _folder_version(run: RunDirectory) -> Version | None:
    """Return what a change of the folder changes, None if it changed just now or is gone."""
    try:
        return settled_version(run.path)
    except OSError:
        return None


def _may_be_live(run: RunDirectory) -> bool | None:
    """Return whether a run may have a process, None if its status cannot be read."""
    now = time.time()
    try:
        status = read_status(run)
    except StatusUnreadable:
        return None
    if status is None:  # created now, or no run
        return abs(now - folder_changed(run)) < STALE_AFTER
    return status.phase not in GONE and liveness(status, now) is not Liveness.DEAD


def _live_summary(run: RunDirectory, now: float) -> list[RunSummary]:
    try:
        summary = summarize(run, now)
    except RunNotFound:  # being created, or no run
        return []
    return [summary] if summary.is_live and summary.state != "queued" else []
