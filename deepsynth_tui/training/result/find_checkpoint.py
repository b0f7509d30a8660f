"""Find the checkpoint that a job resumes from, and report what is wrong with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.training.result.checkpoint_checksums import has_checksums
from deepsynth_tui.training.result.checkpoint_damage import why_damaged
from deepsynth_tui.training.result.checkpoints import (
    BEST,
    ResumePoint,
    best_checkpoint,
    newest_complete,
    read_state,
)

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory
    from deepsynth_tui.runs.job import Job


def newest_whole(
    job: Job, run: RunDirectory, num_processes: int, *, keeps_best: bool
) -> ResumePoint:
    """Return the newest checkpoint of `run` that is complete and undamaged, and its best one.

    Warnings name the checkpoints that cannot be used.

    Raises:
        OSError: a file cannot be read.
    """
    checkpoint = newest_complete(run.checkpoints, num_processes, why_damaged=why_damaged)
    owner = "" if run == job.run else f" of {run.id}"
    for path, problem in checkpoint.incomplete:
        job.warning(f"{path.name}{owner} is skipped: {problem}")
    if checkpoint.path is None:
        return checkpoint
    if not has_checksums(checkpoint.path):
        job.warning(
            f"{checkpoint.path.name}{owner} has no checksums, because an earlier version wrote it: "
            "damage to its weights would not be noticed"
        )
    best = best_checkpoint(run.checkpoints, read_state(checkpoint.path).get(BEST))
    if best is None or best == checkpoint.path or not keeps_best:
        return replace(checkpoint, best=best)
    problem = _why_best_is_lost(best)
    if problem is None:
        return replace(checkpoint, best=best)
    job.warning(
        f"{best.name}{owner}, the best so far, cannot be used: {problem}. The best of the "
        "evaluations from here on is kept."
    )
    return replace(checkpoint, lost_best=True)


def _why_best_is_lost(best: Path) -> str | None:
    return why_damaged(best) if best.is_dir() else "it was deleted"
