"""The checkpoint of an earlier run, for a run that continues it with other settings."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config import resume_training
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.training.result.checkpoints import TRAINER_STATE, newest_complete
from deepsynth_tui.training.result.disk_space import folder_bytes
from deepsynth_tui.training.result.save import atomic_folder

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.result.disk_space import DiskSpace

log = logging.getLogger(__name__)

BEST = "best_model_checkpoint"  # in transformers' TrainerState: a path


def copy_checkpoint(job: Job, config: TrainingConfig, room: DiskSpace, processes: int) -> None:
    """Copy the newest whole checkpoint of the run that this one continues, and its best one, into
    this run, unless this run has come as far itself.

    A copy, not a link: a checkpoint of the same step may be written over it. What keeps the
    checkpoint from being used, and what its steps were trained with, becomes a warning.

    Raises:
        TrainingError: there is no room on the disk, and the person asked to stop.
        OSError: it cannot be copied.
    """
    former = read_identity(job.run).continues
    if former is None:
        return
    if not former.config.is_file():
        job.warning(f"{former.id}, which this run continues, was deleted")
        return
    before = load_file(former.config).config
    assert isinstance(before, TrainingConfig)  # a run continues one of its own kind
    if reason := resume_training.incompatible_change(before, config):
        job.warning(f"The checkpoints of {former.id} are of no use: {reason}")
        return
    found = newest_complete(former.checkpoints, processes)
    for path, flaw in found.torn:
        job.warning(f"{path.name} of {former.id} is passed over: {flaw}")
    if found.path is None or newest_complete(job.run.checkpoints, processes).step >= found.step:
        return
    _copy(job, room, former, found.path)
    log.info("took %s over from %s", found.path.name, former.id)
    if felt := resume_training.changed_effects(resume_training.differences(before, config)):
        job.warning(f"The first {found.step} steps were trained with {felt}")


def _copy(job: Job, room: DiskSpace, former: RunDirectory, newest: Path) -> None:
    recorded = json.loads((newest / TRAINER_STATE).read_text(encoding="utf-8"))
    best = former.checkpoints / Path(recorded[BEST]).name if recorded.get(BEST) else newest
    has_other_best = best != newest and best.is_dir()
    size = folder_bytes(newest) + (folder_bytes(best) if has_other_best else 0)
    phase, target = "continuing", job.run.checkpoints
    job.phase(phase, f"from {newest.name} of {former.id}")
    room.require(size, f"{newest.name} of {former.id}", phase=phase)
    with atomic_folder(target / newest.name) as draft:
        if has_other_best:  # in its place first: the newest names it
            with atomic_folder(target / best.name) as draft_of_best:
                shutil.copytree(best, draft_of_best, dirs_exist_ok=True)
        shutil.copytree(newest, draft, dirs_exist_ok=True)
        if recorded.get(BEST) and best.is_dir():
            recorded[BEST] = str(target / best.name)
            (draft / TRAINER_STATE).write_text(json.dumps(recorded, indent=2), encoding="utf-8")
