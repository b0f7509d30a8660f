"""Retry a failed training run with changed settings, in a new run.

The settings of a run are frozen, so changed settings need a run of their own. It starts from a
copy of the failed run's last checkpoint where the checkpoint fits the new settings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config import resume_training
from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, create_run, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import read_last_state, summarize
from deepsynth_tui.workflows.start import continue_run


class CannotRetry(RunError):
    """The run cannot be retried."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """What a retry of `run` would do.

    Attributes:
        run: The failed run.
        config: The new configuration.
        text: The YAML of `config`.
        changed: Every changed setting by its key.
        obstacle: Why the new run cannot start from a checkpoint of `run`, None where it can.
    """

    run: RunDirectory
    config: TrainingConfig
    text: str
    changed: resume_training.Differences
    obstacle: str | None


def plan(run: RunDirectory, overrides: Sequence[str] = ()) -> RetryPlan:
    """Plan a retry with the changes that the error of `run` suggests and `key=value` overrides.

    Raises:
        CannotRetry: the run is live, is not a training run, or nothing would change.
        ConfigError: the changed settings have problems; all of them are listed.
        RunNotFound: the run does not exist.
    """
    run_identity = read_identity(run)
    if run_identity.kind != "training":
        raise CannotRetry(f"{run.id} is not a training run", "Resume it instead")
    if summarize(run).is_live:
        raise CannotRetry(f"{run.id} is still running", "Stop it first")
    error = read_last_state(run, run_identity.kind).error
    suggested = [f"{key}={json.dumps(to)}" for key, to in (error.changes if error else {}).items()]
    if not suggested and not overrides:
        raise CannotRetry(
            f"The error of {run.id} suggests no change of its settings",
            "Use --resume to continue with the same settings, or change some with "
            "--retry --set section.key=value",
        )
    text = run.config.read_text(encoding="utf-8")
    before = _load(text, (), run)[0]
    new_folder = _free_folder(before.output.dir, run_identity.cwd)
    output = [f"output.dir={json.dumps(new_folder)}"] if new_folder else []
    config, changed_text = _load(text, [*output, *suggested, *overrides], run)
    return RetryPlan(
        run=run,
        config=config,
        text=changed_text,
        changed=resume_training.differences(before, config),
        obstacle=resume_training.incompatible_change(before, config),
    )


def start(home: Path, plan: RetryPlan) -> RunDirectory:
    """Create the new run and start its job, which outlives this process.

    Raises:
        RunDirectoryError: the run directory cannot be created.
        LaunchError: the process cannot be started.
    """
    cwd = read_identity(plan.run).cwd
    folder = plan.config.output.dir
    run = create_run(
        home,
        kind="training",
        name=plan.config.name,
        config_text=plan.text,
        at=cwd / folder if folder else None,
        continues=plan.run,
        cwd=cwd,
    )
    continue_run(run)
    return run


def _load(text: str, overrides: Sequence[str], run: RunDirectory) -> tuple[TrainingConfig, str]:
    loaded = load_text(text, overrides, file=str(run.config), of_run=True)
    assert isinstance(loaded.config, TrainingConfig)  # `plan` checked the kind
    return loaded.config, loaded.text


def _free_folder(folder: str | None, cwd: Path) -> str | None:
    """Return `folder` with the first free number appended; None for the default folder."""
    if folder is None:
        return None
    number = 2
    while (cwd / f"{folder}-{number}").exists():
        number += 1
    return f"{folder}-{number}"
