"""Checks that every job makes before it starts, and the command that prints their result.

`dataset.preflight` and `training.preflight` add the checks that only they can make: documents,
datasets, models.
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
    """The result of the checks."""

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints; `problems` holds each problem as JSON."""
        ...


def output_dir_problems(path: str | None) -> list[Problem]:
    """Return why no run can be created at `output.dir`. Creates nothing."""
    key = "output.dir"
    if not path:
        return []
    folder = Path(path).expanduser().absolute()
    parent = nearest_existing_parent(folder)
    if not parent.is_dir():
        return [Problem(key, f"{parent} is a file", "choose a folder")]
    if not os.access(parent, os.W_OK | os.X_OK):
        return [Problem(key, f"{parent} is not writable", "choose a folder you may write to")]
    if parent == folder and any(folder.iterdir()):
        return [Problem(key, f"{folder} is not empty", "choose a new folder, or empty it")]
    return []


def nearest_existing_parent(folder: Path) -> Path:
    """Return `folder`, or the nearest of its parents that exists: it is on the same disk."""
    return next(part for part in (folder, *folder.absolute().parents) if part.exists())


def run_preflight_command(
    model: type[C],
    inspect: Callable[[C], PreflightReport],
    report_problems: Callable[[tuple[Problem, ...]], PreflightReport],
) -> int:
    """Check the configuration file in `sys.argv`, print one JSON object and return the exit status.

    A configuration that can be estimated but not started is checked too, so that the problems of
    its other fields are known before, say, a dataset is chosen.

    Args:
        model: The kind of configuration that is expected.
        inspect: Runs the checks.
        report_problems: Makes a report for a file that holds no valid configuration.
    """
    if len(sys.argv) != 2:
        sys.stderr.write(f"usage: {Path(sys.argv[0]).name} CONFIG.yaml\n")
        return 2
    # Libraries that print must not spoil the one object on stdout.
    with contextlib.redirect_stdout(sys.stderr):
        report = _check_file(Path(sys.argv[1]), model, inspect, report_problems)
    sys.stdout.write(json.dumps(report.to_json()) + "\n")
    return 0


def _check_file(
    path: Path,
    model: type[C],
    inspect: Callable[[C], PreflightReport],
    report_problems: Callable[[tuple[Problem, ...]], PreflightReport],
) -> PreflightReport:
    try:
        config = load_file(path, estimate_only=True).config
    except ConfigError as error:
        return report_problems(error.problems)
    if isinstance(config, model):
        return inspect(config)
    return report_problems((Problem("kind", f"is {config.kind}, not the kind checked here"),))
