"""Find the run that a configuration file belongs to, and resume it if that is possible."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.kinds import Config
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.resume_dataset import incompatible_changes, settings_in_shards
from deepsynth_tui.config.resume_training import change_lines, edited_config_error
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory, RunDirectoryError, find_run
from deepsynth_tui.runs.launch import start_job
from deepsynth_tui.runs.lock import claim
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.training.result.checkpoint_record import read_record
from deepsynth_tui.training.result.checkpoints import newest_complete


class CannotResume(RunDirectoryError):
    """The configuration does not fit the run, or the run has not ended."""


def resumable_training_run(home: Path, path: Path, config: Config) -> RunDirectory:
    """Return the training run that the file `path` belongs to. `config` is what `path` holds.

    Raises:
        RunNotFound: there is no such run.
        CannotResume: `config` differs from the configuration of the run, or that was edited and
            does not fit the last checkpoint any more.
    """
    run = _find_run(home, path, config)
    run_config = load_file(run.config).config
    if not isinstance(run_config, TrainingConfig) or not isinstance(config, TrainingConfig):
        raise CannotResume(f"{run.id} is not a training run", "Give the run another name")
    # The run was found by the name, which it may have lost since: see `rename_run`.
    named = config.model_copy(update={"name": run_config.name})
    if changes := change_lines(run_config, named):
        raise _changed(f"{path} differs from the settings of {run.id}", run, changes)
    checkpoint = newest_complete(run.checkpoints, config.training.num_processes).path
    record = read_record(checkpoint) if checkpoint else None
    if checkpoint and record:
        error = edited_config_error(record.config, config, checkpoint.name)
        if error:
            raise CannotResume(error.message, error.advice, error.key)
    return run


def resume_dataset_run(home: Path, path: Path, config: DatasetConfig, text: str) -> RunDirectory:
    """Continue the dataset run that the file `path` belongs to, with `config`, and return it.

    `text` is the YAML of `config`; it becomes the configuration of the run.

    Raises:
        RunNotFound: there is no such run.
        CannotResume: the run is live, or its finished shards do not fit `config`.
        LaunchError: the process cannot be started.
    """
    run = _find_run(home, path, config)
    if summarize(run).is_live:
        raise CannotResume(f"{run.id} is still running", "Stop it first, or attach to it")
    with claim(run) as run_lock:
        run_config = load_file(run.config).config
        if not isinstance(run_config, DatasetConfig):
            raise CannotResume(f"{run.id} is not a dataset run", "Give the dataset another name")
        changes = incompatible_changes(settings_in_shards(run_config), settings_in_shards(config))
        if changes:
            raise _changed(f"The finished pages of {run.id} do not fit {path}", run, changes)
        atomic.replace(run.config, text.encode(), durable=True)
        start_job(run, resume=True, run_lock=run_lock)
    return run


def _find_run(home: Path, path: Path, config: Config) -> RunDirectory:
    """Return the run that holds the file, or the run named by output.dir or by the name."""
    folder = path.resolve().parent
    ref = folder if (folder / "run.json").is_file() else config.output.dir
    return find_run(home, ref or config.name)


def _changed(message: str, run: RunDirectory, changes: list[str]) -> CannotResume:
    lines = "\n".join(changes)
    return CannotResume(message, f"Start a new run, or resume {run.config}:\n{lines}")
