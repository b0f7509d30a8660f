"""A run that resumes with other settings than those that its checkpoint was made with."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from deepsynth_tui.config.resume_training import (
    changed_effects,
    differences,
    edited_config_error,
)
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.result.checkpoint_record import LENGTH_KEYS, read_record

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.result.checkpoints import ResumePoint

log = logging.getLogger(__name__)


def report_changes(job: Job, config: TrainingConfig, checkpoint: ResumePoint) -> ResumePoint:
    """Report how `config` differs from what `checkpoint` was made with; return it with its record.

    Raises:
        TrainingError: the checkpoint does not fit the configuration.
    """
    record = read_record(checkpoint.path) if checkpoint.path else None
    if checkpoint.path is None or record is None:
        return checkpoint
    if error := edited_config_error(record.config, config, checkpoint.path.name):
        raise TrainingError(error.message, error.advice, error.key)
    continued = record.continued(config, checkpoint.step)
    is_extended = continued.extensions != record.extensions
    if is_extended:
        extension = continued.extensions[-1]
        message = (
            f"The run goes on at step {checkpoint.step} with {extension.after} instead of "
            f"{extension.before}: {extension.schedule}"
        )
        job.warning(message)
        log.info("%s", message)
    changes = differences(record.config, config)
    others = {key: change for key, change in changes.items() if key not in LENGTH_KEYS}
    if former_settings := changed_effects(others):
        job.warning(f"The first {checkpoint.step} steps were trained with {former_settings}")
    return replace(checkpoint, record=continued, is_extended=is_extended)
