"""Searches on this machine, read from their files. Without Textual and Optuna."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs import file_lock
from deepsynth_tui.search.results import SearchResults, TrialRow, read_results, results_of

TRIALS, SEARCH_FILE, RESULTS = "trials", "search.json", "results.json"


@dataclass(frozen=True, slots=True)
class SearchView:
    """A search as its files are now. `results` is None before its first trial, or if damaged."""

    folder: Path
    results: SearchResults | None
    is_running: bool

    @property
    def state(self) -> str:
        """Whether it works, and why not."""
        results = self.results
        if self.is_running:
            return "running"
        if results is None:
            return "no results"
        if results.ended:
            return f"ended: {results.ended}"
        if any(row.state in ("running", "stopped") for row in results.trials):
            return "interrupted: `search CONFIG --resume` continues it"
        return "done"

    def trial_folder(self, row: TrialRow) -> Path:
        """Return the folder of the run of a trial."""
        number = row.number if row.continues is None else row.continues
        return self.folder / TRIALS / f"{number:03d}"


def search_of_run(run: Path) -> Path | None:
    """Return the folder of the search that a run is a trial of, None if it is none."""
    path = Path(os.path.realpath(run))
    folder = path.parent.parent
    is_trial = path.parent.name == TRIALS and (folder / SEARCH_FILE).is_file()
    return folder if is_trial else None


def find_searches(home: Path) -> list[Path]:
    """Return the folders of searches, newest first: those of `home`, and those of its trials."""
    folders = {Path(os.path.realpath(file.parent)) for file in _search_files(home)}
    with contextlib.suppress(OSError):
        for run in os.scandir(home / "runs"):
            if run.is_symlink() and (folder := search_of_run(Path(run.path))):
                folders.add(folder)
    return sorted(folders, key=lambda folder: (folder / SEARCH_FILE).stat().st_mtime, reverse=True)


def _search_files(home: Path) -> list[Path]:
    return list((home / "searches").glob(f"*/{SEARCH_FILE}"))


def read_search(folder: Path) -> SearchView:
    """Read a search."""
    content = read_results(folder / RESULTS)
    results = results_of(content) if content is not None else None
    return SearchView(folder, results, file_lock.is_locked(folder / "lock"))
