"""The last run that a training run can be compared with: same model, same dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import (
    Identity,
    RunDirectory,
    RunDirectoryError,
    list_runs,
    read_identity,
)
from deepsynth_tui.runs.state import Point
from deepsynth_tui.runs.state_reader import StateReader
from deepsynth_tui.tui.run_view.run_settings import read_run_settings

READ_SECONDS = 1.0
"""How long the log of the other run is read; of a longer one the curve is a preview."""


@dataclass(frozen=True, slots=True)
class ReferenceRun:
    """The name and the training loss of an earlier run."""

    name: str
    loss: Sequence[Point]


def last_comparable_run(home: Path, run: RunDirectory, identity: Identity) -> ReferenceRun | None:
    """Return the newest run before `run` with the same model and dataset that has a loss; None if
    there is none."""
    own = read_run_settings(run)
    if identity.kind != "training" or not own.model_name:
        return None
    try:
        candidates = list_runs(home)
    except RunDirectoryError:
        return None
    for other in candidates:
        if other.id == run.id:
            continue
        settings = read_run_settings(other)
        if (settings.model_name, settings.data_path) != (own.model_name, own.data_path):
            continue
        try:
            before = read_identity(other)
            if before.created > identity.created or before.kind != "training":
                continue
            reader = StateReader(other)
            reader.poll(READ_SECONDS)
        except (RunDirectoryError, OSError):  # deleted or unreadable: the next one
            continue
        if loss := reader.state.series.get("loss"):
            return ReferenceRun(sanitize(before.name), loss)
    return None
