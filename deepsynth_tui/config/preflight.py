"""What every job has looked at before it starts, and the command that prints what was found.

The rooms add what only they know: documents, datasets, models.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.problems import ConfigError, Problem
from deepsynth_tui.config.training import TrainingConfig

C = TypeVar("C", TrainingConfig, DatasetConfig)


class PreflightReport(Protocol):
    """What a room found."""

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints; `problems` holds every `Problem.to_json`."""
        ...


def output_dir_problems(chosen: str | None) -> list[Problem]:
    """Return why no run can be made in `output.dir`; nothing is created in finding out."""
    key = "output.dir"
    if not chosen:
        return []
    folder = Path(chosen).expanduser().absolute()
    place = nearest_existing_parent(folder)
    if not place.is_dir():
        return [Problem(key, f"{place} is a file", "choose a folder")]
    if not os.access(place, os.W_OK | os.X_OK):
        return [Problem(key, f"{place} cannot be written", "choose a folder you may write to")]
    if place == folder and any(folder.iterdir()):
        return [Problem(key, f"{folder} is not empty", "choose a new folder, or empty it")]
    return []


def nearest_existing_parent(folder: Path) -> Path:
    """Return `folder` or the nearest of its parents that is there: the disk it would lie on."""
    return next(part for part in (folder, *folder.absolute().parents) if part.exists())


def run_preflight_command(
    model: type[C],
    inspect: Callable[[C], PreflightReport],
    unusable: Callable[[tuple[Problem, ...]], PreflightReport],
) -> int:
    """Check the configuration file named on the command line, print one JSON object, return 0.

    `unusable` makes findings of the problems of a file that holds no such configuration.
    """
    if len(sys.argv) != 2:
        sys.stderr.write(f"usage: {Path(sys.argv[0]).name} CONFIG.yaml\n")
        return 2
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        findings = _findings(Path(sys.argv[1]), model, inspect, unusable)
    sys.stdout.write(json.dumps(findings.to_json()) + "\n")
    return 0


def _findings(
    file: Path,
    model: type[C],
    inspect: Callable[[C], PreflightReport],
    unusable: Callable[[tuple[Problem, ...]], PreflightReport],
) -> PreflightReport:
    try:
        config = load_file(file).config
    except ConfigError as error:
        return unusable(error.problems)
    if isinstance(config, model):
        return inspect(config)
    return unusable((Problem("kind", f"is {config.kind}, not the kind checked here"),))
