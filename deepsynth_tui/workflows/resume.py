"""Which run a configuration belongs to, and whether the run may go on with it."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.resume_dataset import incompatible_changes, settings_in_shards
from deepsynth_tui.config.yaml_text import leaves
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory, RunDirectoryError, find_run
from deepsynth_tui.runs.summary import summarize


class CannotResume(RunDirectoryError):
    """The run is another one than the configuration would make, or has not ended."""


def resumable_training_run(home: Path, path: Path, config: Config) -> RunDirectory:
    """Return the run that the file `path` belongs to, of which `config` is the very configuration.

    Raises RunNotFound and CannotResume.
    """
    run = _run_of(home, path, config)
    frozen = dict(leaves(load_file(run.config).config.model_dump()))
    wanted = dict(leaves(config.model_dump()))
    changed = [
        f"{key}: {frozen[key]} -> {wanted[key]}" for key in frozen if frozen[key] != wanted[key]
    ]
    if changed:
        raise _changed(f"{path} differs from what {run.id} was started with", run, changed)
    return run


def resumable_dataset_run(home: Path, path: Path, config: DatasetConfig, text: str) -> RunDirectory:
    """Return the run that the file `path` belongs to; from now on its configuration is `config`,
    of which `text` is the YAML.

    Raises RunNotFound, and CannotResume where the run has made pages that `config` would not.
    """
    run = _run_of(home, path, config)
    frozen = load_file(run.config).config
    if not isinstance(frozen, DatasetConfig):
        raise CannotResume(f"{run.id} is no dataset run", "Give the dataset another name")
    if summarize(run).is_live:
        raise CannotResume(f"{run.id} is still running", "Stop it first, or attach to it")
    if changed := incompatible_changes(settings_in_shards(frozen), settings_in_shards(config)):
        raise _changed(f"{path} would make other pages than {run.id} has made", run, changed)
    atomic.replace(run.config, text.encode(), durable=True)
    return run


def _run_of(home: Path, path: Path, config: Config) -> RunDirectory:
    """Return the run that a file lies in, or that its output.dir or its name means."""
    inside = path.resolve().parent
    ref = inside if (inside / "run.json").is_file() else config.output.dir
    return find_run(home, ref or config.name)


def _changed(what: str, run: RunDirectory, changed: list[str]) -> CannotResume:
    lines = "\n".join(changed)
    return CannotResume(what, f"Start a new run, or resume {run.config}:\n{lines}")
