"""Copy the checkpoint of an earlier run into a run that continues it with other settings."""

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
from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord, read_record
from deepsynth_tui.training.result.checkpoints import TRAINER_STATE, newest_complete
from deepsynth_tui.training.result.disk_space import folder_bytes
from deepsynth_tui.training.result.save import atomic_folder

if TYPE_CHECKING:
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.result.disk_space import DiskSpace

log = logging.getLogger(__name__)

BEST = "best_model_checkpoint"  # a path in transformers' TrainerState


def copy_checkpoint(
    job: Job, config: TrainingConfig, disk_space: DiskSpace, num_processes: int
) -> None:
    """Copy the newest complete checkpoint of the run that this one continues, and its best one.

    Nothing is copied if this run has a checkpoint of that step itself. The checkpoint is copied
    and not linked, because this run may overwrite a checkpoint of the same step. Warnings say why
    a checkpoint cannot be used. The copy records with which settings its steps were trained.

    Raises:
        TrainingError: the disk is too full, and the user asked to stop.
        OSError: the checkpoint cannot be copied.
    """
    source = read_identity(job.run).continues
    if source is None:
        return
    if not source.config.is_file():
        job.warning(f"{source.id}, which this run continues, was deleted")
        return
    source_config = load_file(source.config, of_run=True).config
    assert isinstance(source_config, TrainingConfig)  # a run continues one of its own kind
    if reason := resume_training.incompatible_change(source_config, config):
        job.warning(f"The checkpoints of {source.id} cannot be used: {reason}")
        return
    newest = newest_complete(source.checkpoints, num_processes)
    for path, problem in newest.incomplete:
        job.warning(f"{path.name} of {source.id} is skipped: {problem}")
    own_step = newest_complete(job.run.checkpoints, num_processes).step
    if newest.path is None or own_step >= newest.step:
        return
    record = read_record(newest.path) or CheckpointRecord(source_config)
    _copy(job, disk_space, source, newest.path, record)
    log.info("copied %s of %s", newest.path.name, source.id)


def _copy(
    job: Job,
    disk_space: DiskSpace,
    source: RunDirectory,
    newest: Path,
    record: CheckpointRecord,
) -> None:
    state = json.loads((newest / TRAINER_STATE).read_text(encoding="utf-8"))
    best = source.checkpoints / Path(state[BEST]).name if state.get(BEST) else newest
    copies_best = best != newest and best.is_dir()
    size = folder_bytes(newest) + (folder_bytes(best) if copies_best else 0)
    phase, target = "continuing", job.run.checkpoints
    job.phase(phase, f"from {newest.name} of {source.id}")
    disk_space.require(size, f"{newest.name} of {source.id}", phase=phase)
    with atomic_folder(target / newest.name) as draft:
        if copies_best:  # complete before the newest, which names it
            with atomic_folder(target / best.name) as best_draft:
                shutil.copytree(best, best_draft, dirs_exist_ok=True)
        shutil.copytree(newest, draft, dirs_exist_ok=True)
        record.write(draft)
        if state.get(BEST) and best.is_dir():
            state[BEST] = str(target / best.name)
            (draft / TRAINER_STATE).write_text(json.dumps(state, indent=2), encoding="utf-8")
