"""Delete checkpoints that a run does not need: never the best one, nor those a resume needs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.problems import ConfigError
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, RunDirectoryError, read_identity
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.remove import freed_bytes
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.training.result.checkpoints import (
    BEST,
    TRAINER_STATE,
    best_checkpoint,
    checkpoint_steps,
    newest_complete,
    read_state,
    why_incomplete,
)


class CannotClean(RunDirectoryError):
    """It is unknown which checkpoints of a run are needed, or one cannot be deleted."""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Which checkpoints stay beside those that are always kept.

    `newest` is how many of the newest complete ones stay. With `every`, those of each step that is
    a multiple of it stay, too.
    """

    newest: int = 1
    every: int | None = None


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What cleaning `run` deletes, with the bytes of each, and why each of the others is kept."""

    run: RunDirectory
    deleted: Mapping[Path, int]
    kept: Mapping[Path, str]

    @property
    def bytes(self) -> int:
        """What it frees."""
        return sum(self.deleted.values())

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return {
            "id": self.run.id,
            "path": str(self.run.path),
            "deleted": [{"name": path.name, "bytes": size} for path, size in self.deleted.items()],
            "kept": [{"name": path.name, "why": why} for path, why in self.kept.items()],
            "freed_bytes": self.bytes,
        }


def plan_cleaning(run: RunDirectory, rule: KeepRule) -> Cleaning:
    """Return which checkpoints of `run` the rule deletes; nothing is deleted yet.

    The checkpoint that a resume would take is found as the job finds it: every byte of it is read.
    Incomplete checkpoints are deleted where a whole one exists. Imports torch.

    Raises:
        RunBusy: the run is live, and deletes old checkpoints itself.
        CannotClean: it is no training run, its configuration is damaged, or a file of a checkpoint
            cannot be read.
        RunNotFound: it is gone.
    """
    if read_identity(run).kind != "training":
        raise CannotClean(f"{run.id} is no training run", "Only those have checkpoints")
    if (summary := summarize(run)).is_live:
        raise RunBusy(
            f"{run.id} is {summary.state}", "It deletes old checkpoints by save_total_limit"
        )
    if not run.checkpoints.is_dir():
        return Cleaning(run, {}, {})
    try:
        return _plan(run, rule, _num_processes(run))
    except OSError as error:
        raise CannotClean(
            f"{error.filename or run.checkpoints} cannot be read: {error.strerror or error}",
            "Nothing was deleted",
        ) from error


def clean(cleaning: Cleaning) -> None:
    """Delete the checkpoints of a plan. Half of one never looks complete.

    Raises:
        RunBusy: the run was started meanwhile.
        LaunchError: its folder cannot be written.
        CannotClean: a checkpoint cannot be deleted.
    """
    with claim(cleaning.run):
        for path in cleaning.deleted:
            try:
                (path / TRAINER_STATE).unlink(missing_ok=True)
                shutil.rmtree(path)
            except OSError as error:
                raise CannotClean(
                    f"{path} was not deleted: {error.filename}: {error.strerror or error}",
                    "Change its permissions and clean again",
                ) from error


def _plan(run: RunDirectory, rule: KeepRule, num_processes: int) -> Cleaning:
    from deepsynth_tui.training.result.checkpoint_damage import why_damaged

    steps = checkpoint_steps(run.checkpoints)
    newest = newest_complete(run.checkpoints, num_processes, why_damaged=why_damaged)
    kept: dict[Path, str] = {path: "is a link" for path in steps if path.is_symlink()}
    if newest.path is None:
        kept = dict.fromkeys(steps, "no checkpoint is whole: it may be all there is")
        return Cleaning(run, {}, kept)
    kept.setdefault(newest.path, "the last one, which a resume needs")
    best = best_checkpoint(run.checkpoints, read_state(newest.path).get(BEST))
    if best is not None and best in steps:
        kept.setdefault(best, "the best one")
    broken = dict(newest.incomplete)
    order = sorted(steps, key=lambda path: steps[path], reverse=True)
    whole = [
        path
        for path in order
        if path not in broken and why_incomplete(path, steps[path], num_processes) is None
    ]
    for path in whole[: rule.newest]:
        kept.setdefault(path, f"one of the newest {rule.newest}")
    for path in whole:
        if rule.every and steps[path] % rule.every == 0:
            kept.setdefault(path, f"a multiple of {rule.every} steps")
    deleted = {path: freed_bytes(path) for path in reversed(order) if path not in kept}
    return Cleaning(run, deleted, {path: kept[path] for path in order if path in kept})


def _num_processes(run: RunDirectory) -> int:
    try:
        config = load_file(run.config, of_run=True).config
    except ConfigError as error:
        raise CannotClean(
            f"Which checkpoints {run.id} needs is unknown: {error}", "Nothing was deleted"
        ) from error
    assert isinstance(config, TrainingConfig)  # the kind was checked
    return config.training.num_processes
