"""A run that failed, tried again with other settings: a new run that begins with its checkpoint.

The settings of a run are frozen, so the changed ones need a run of their own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config import resume_training
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import launch
from deepsynth_tui.runs.directory import RunDirectory, create_run, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import read_last_state, summarize


class CannotRetry(RunError):
    """This run cannot be tried again in this way."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """What a retry of `run` would do.

    `changed` are all settings that are another, `text` the whole configuration. `obstacle` says
    why it cannot begin with a checkpoint of `run`, None where it can if there is one.
    """

    run: RunDirectory
    config: TrainingConfig
    text: str
    changed: resume_training.Differences
    obstacle: str | None


def plan(run: RunDirectory, overrides: Sequence[str] = ()) -> RetryPlan:
    """Plan a retry with the changes that the failure of `run` names, and `key=value` overrides.

    Raises:
        CannotRetry: the run goes on, is no training, or there is nothing to change.
        ConfigError: every problem of the changed settings.
        RunNotFound: the run is gone.
    """
    who = read_identity(run)
    if who.kind != "training":
        raise CannotRetry(f"{run.id} is no training run", "Start it again: it goes on by itself")
    if summarize(run).is_live:
        raise CannotRetry(f"{run.id} is still running", "Stop it first")
    error = read_last_state(run, who.kind).error
    advised = [f"{key}={json.dumps(to)}" for key, to in (error.changes if error else {}).items()]
    if not advised and not overrides:
        raise CannotRetry(
            f"{run.id} names no change of its settings that would help",
            "--resume goes on as it was; --set section.key=value with --retry changes something",
        )
    text = run.config.read_text(encoding="utf-8")
    before = _config(text, (), run)[0]
    elsewhere = _other_folder(before.output.dir, who.cwd)
    moved = [f"output.dir={json.dumps(elsewhere)}"] if elsewhere else []
    config, changed_text = _config(text, [*moved, *advised, *overrides], run)
    return RetryPlan(
        run=run,
        config=config,
        text=changed_text,
        changed=resume_training.differences(before, config),
        obstacle=resume_training.incompatible_change(before, config),
    )


def start(home: Path, made: RetryPlan) -> RunDirectory:
    """Make the new run and start its job, which goes on without us.

    Raises RunDirectoryError (the folder) or LaunchError (the process).
    """
    cwd = read_identity(made.run).cwd
    folder = made.config.output.dir
    run = create_run(
        home,
        kind="training",
        name=made.config.name,
        config_text=made.text,
        at=cwd / folder if folder else None,
        continues=made.run,
        cwd=cwd,
    )
    launch.start_job(run, resume=True)
    return run


def _config(text: str, overrides: Sequence[str], run: RunDirectory) -> tuple[TrainingConfig, str]:
    loaded = load_text(text, overrides, file=str(run.config))
    assert isinstance(loaded.config, TrainingConfig)  # the kind of the run says so
    return loaded.config, loaded.text


def _other_folder(folder: str | None, cwd: Path) -> str | None:
    """A folder beside the one that the run has taken; None where it has chosen none."""
    if folder is None:
        return None
    number = 2
    while (cwd / f"{folder}-{number}").exists():
        number += 1
    return f"{folder}-{number}"
