"""Arguments and options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deepsynth_tui.cli.reporting import echo
from deepsynth_tui.config.locations import home

if TYPE_CHECKING:
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.config.problems import Problem
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.runs.directory import RunDirectory

C = TypeVar("C", "TrainingConfig", "DatasetConfig")

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file.")]
RunRef = Annotated[str, typer.Argument(metavar="RUN", help="Id or its beginning, name, or folder.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return as soon as the job has started.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="section.key=value", help="Override a setting. Repeatable."),
]


def load(
    path: Path, kind: type[C], overrides: Sequence[str] | None, *, estimate_only: bool = False
) -> tuple[C, str]:
    """Return the configuration in a file and its YAML with every default filled in.

    Raises:
        ConfigError: the file is of another kind, or has problems; all of them are listed.
    """
    from deepsynth_tui.config.load import load_file
    from deepsynth_tui.config.problems import ConfigError, Problem

    loaded = load_file(path, overrides or (), estimate_only=estimate_only)
    config = loaded.config
    if not isinstance(config, kind):
        command = "generate" if config.kind == "dataset" else "train"
        problem = Problem("kind", f"is {config.kind}", f"see {command}", str(path))
        raise ConfigError([problem])
    for notice in loaded.notices:
        echo(f"{path}: {notice}", err=True)
    return config, loaded.text


def load_any(path: Path, overrides: Sequence[str] | None) -> tuple[Config, str]:
    """Return the configuration of a run of any kind, as `load` does."""
    from deepsynth_tui.config.load import load_file

    loaded = load_file(path, overrides or ())
    for notice in loaded.notices:
        echo(f"{path}: {notice}", err=True)
    return loaded.config, loaded.text


def refuse(problems: Sequence[Problem], path: Path) -> None:
    """Raise ConfigError if the configuration in `path` has `problems`."""
    from dataclasses import replace

    from deepsynth_tui.config.problems import ConfigError

    if problems:
        raise ConfigError([replace(problem, file=str(path)) for problem in problems])


def find_run(ref: str) -> RunDirectory:
    """Return the run that `ref` names. Raises RunDirectoryError if there is no such run."""
    from deepsynth_tui.runs.directory import find_run as find_run_directory

    return find_run_directory(home(), ref)
