"""Train a finished or stopped run further, from its last complete checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.config.load import load_text
from deepsynth_tui.config.resume_training import edited_config_error
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.directory import RunDirectory, find_run, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.training.result.checkpoint_record import read_record, schedule_note
from deepsynth_tui.training.result.checkpoints import newest_complete, read_state
from deepsynth_tui.workflows.start import continue_run

EPOCH_DIGITS = 4  # transformers logs fractions of an epoch; whole epochs stay whole


class CannotExtend(RunError):
    """The run cannot be extended."""


@dataclass(frozen=True, slots=True)
class ExtensionPlan:
    """What extending `run` would do.

    Attributes:
        run: The run that is extended.
        step: The step of its last complete checkpoint, from which it goes on.
        config: Its new configuration.
        text: The YAML of `config`.
        lines: What will happen, for the user.
    """

    run: RunDirectory
    step: int
    config: TrainingConfig
    text: str
    lines: tuple[str, ...]


def plan(
    home: Path, ref: str, *, more_steps: int | None = None, more_epochs: float | None = None
) -> ExtensionPlan:
    """Plan to train the run `ref` further; exactly one of the two lengths is given.

    `ref` is an id, a name, the folder of a run or a file in it. The lengths count from the last
    complete checkpoint, also of a run that was stopped before its end.

    Raises:
        CannotExtend: the run is live, is no training run, or has no checkpoint that fits.
        RunNotFound: there is no such run.
        ConfigError: the configuration of the run has problems.
    """
    path = Path(ref).expanduser()
    run = find_run(home, path.resolve().parent if path.is_file() else ref)
    if read_identity(run).kind != "training":
        raise CannotExtend(f"{run.id} is not a training run", "Extend a training run")
    if summarize(run).is_live:
        raise CannotExtend(f"{run.id} is still running", "Stop it first, or wait for its end")
    text = run.config.read_text(encoding="utf-8")
    former = _load(text, [], run)[0]
    newest = newest_complete(run.checkpoints, former.training.num_processes)
    if newest.path is None:
        raise CannotExtend(
            f"{run.id} has no complete checkpoint", "Start it again: `train` with its config.yaml"
        )
    record = read_record(newest.path)
    if record and (error := edited_config_error(record.config, former, newest.path.name)):
        raise CannotExtend(error.message, error.advice)
    state = read_state(newest.path)
    setting = _new_length(former, newest.step, float(state["epoch"]), more_steps, more_epochs)
    config, changed_text = _load(text, [setting], run)
    key, _, value = setting.partition("=")
    return ExtensionPlan(
        run=run,
        step=newest.step,
        config=config,
        text=changed_text,
        lines=(
            f"{run.id} goes on at step {newest.step} of {state['max_steps']} with {key}: {value}.",
            f"Learning rate: {schedule_note(config)}.",
        ),
    )


def start(plan: ExtensionPlan) -> RunDirectory:
    """Give the run its new configuration and start its job, which outlives this process.

    Raises:
        LaunchError: the process cannot be started.
        OSError: the configuration cannot be written.
    """
    freeze(plan)
    continue_run(plan.run)
    return plan.run


def freeze(plan: ExtensionPlan) -> None:
    """Replace the configuration of the run."""
    atomic.replace(plan.run.config, plan.text.encode(), durable=True)


def _new_length(
    config: TrainingConfig,
    step: int,
    epoch: float,
    more_steps: int | None,
    more_epochs: float | None,
) -> str:
    """Return the setting that ends the run so many steps or epochs after `step` in `epoch`."""
    if more_steps is not None:
        return f"training.max_steps={step + more_steps}"
    assert more_epochs is not None
    if config.training.max_steps > 0:
        more_steps = math.ceil(round(more_epochs * step / epoch, EPOCH_DIGITS))
        return f"training.max_steps={step + more_steps}"
    return f"training.num_train_epochs={round(epoch + more_epochs, EPOCH_DIGITS)}"


def _load(text: str, overrides: list[str], run: RunDirectory) -> tuple[TrainingConfig, str]:
    loaded = load_text(text, overrides, file=str(run.config))
    assert isinstance(loaded.config, TrainingConfig)  # `plan` checked the kind
    return loaded.config, loaded.text
