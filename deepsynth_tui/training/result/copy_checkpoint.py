"""Copy the checkpoint of an earlier run into a run that continues it with other settings."""

from __future__ import annotations

import json
import logging
import shutil
from typing import TYPE_CHECKING

from deepsynth_tui.config import resume_training
from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.training.result.checkpoint_checksums import (
    has_checksums,
    read_checksums,
    write_checksums,
)
from deepsynth_tui.training.result.checkpoint_record import (
    RECORD,
    CheckpointRecord,
    read_record,
)
from deepsynth_tui.training.result.checkpoints import (
    BEST,
    TRAINER_STATE,
    ResumePoint,
    newest_complete,
    read_state,
)
from deepsynth_tui.training.result.disk_space import folder_bytes
from deepsynth_tui.training.result.find_checkpoint import newest_whole

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.result.disk_space import DiskSpace

log = logging.getLogger(__name__)


def copy_checkpoint(
    job: Job, config: TrainingConfig, disk_space: DiskSpace, num_processes: int, own_step: int
) -> bool:
    """Copy the newest whole checkpoint of the run that this one continues, and its best one.

    Nothing is copied, and False returned, unless it is of a later step than `own_step`, the last
    one of this run. The checkpoint is copied and not linked, because this run may overwrite a
    checkpoint of the same step. Warnings say why a checkpoint cannot be used. The copy records
    with which settings its steps were trained.

    Raises:
        TrainingError: the disk is too full, and the user asked to stop.
        OSError: the checkpoint cannot be copied.
    """
    source = read_identity(job.run).continues
    if source is None:
        return False
    if not source.config.is_file():
        job.warning(f"{source.id}, which this run continues, was deleted")
        return False
    source_config = load_file(source.config, of_run=True).config
    assert isinstance(source_config, TrainingConfig)  # a run continues one of its own kind
    if reason := resume_training.incompatible_change(source_config, config):
        job.warning(f"The checkpoints of {source.id} cannot be used: {reason}")
        return False
    if newest_complete(source.checkpoints, num_processes).step <= own_step:
        return False
    newest = newest_whole(job, source, num_processes, keeps_best=config.training.keeps_best)
    if newest.path is None or newest.step <= own_step:
        return False
    record = read_record(newest.path) or CheckpointRecord(source_config)
    _copy(job, disk_space, source, newest, record)
    log.info("copied %s of %s", newest.path.name, source.id)
    return True


def _copy(
    job: Job,
    disk_space: DiskSpace,
    source: RunDirectory,
    checkpoint: ResumePoint,
    record: CheckpointRecord,
) -> None:
    newest, best = checkpoint.path, checkpoint.best
    assert newest is not None
    copied_best = best if best is not None and best != newest and best.is_dir() else None
    size = folder_bytes(newest) + (folder_bytes(copied_best) if copied_best else 0)
    phase, target = "continuing", job.run.checkpoints
    job.phase(phase, f"from {newest.name} of {source.id}")
    disk_space.require(size, f"{newest.name} of {source.id}", phase=phase)
    state = read_state(newest)
    with atomic_folder(target / newest.name) as draft:
        if copied_best:  # complete before the newest, which names it
            with atomic_folder(target / copied_best.name) as best_draft:
                shutil.copytree(copied_best, best_draft, dirs_exist_ok=True)
        shutil.copytree(newest, draft, dirs_exist_ok=True)
        record.write(draft)
        state[BEST] = str(target / best.name) if best else None
        (draft / TRAINER_STATE).write_text(json.dumps(state, indent=2), encoding="utf-8")
        copied = read_checksums(newest) if has_checksums(newest) else {}
        for name in (RECORD, TRAINER_STATE):
            copied.pop(name, None)
        write_checksums(draft, copied)
