"""Build the trainer callbacks of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peft import PeftModel

from deepsynth_tui.training.callbacks.base_samples import BaseSamplesCallback, adapters_keep_base
from deepsynth_tui.training.callbacks.complete_checkpoints import CompleteCheckpointsCallback
from deepsynth_tui.training.callbacks.disk_space import DiskSpaceCallback
from deepsynth_tui.training.callbacks.early_stopping import ResumableEarlyStopping
from deepsynth_tui.training.callbacks.event_reporter import EventReporterCallback
from deepsynth_tui.training.callbacks.extended_schedule import ExtendedScheduleCallback
from deepsynth_tui.training.callbacks.learning_check import LearningCheckCallback
from deepsynth_tui.training.callbacks.paged_state import PagedStateCallback
from deepsynth_tui.training.callbacks.push_to_hub import PushToHubCallback
from deepsynth_tui.training.callbacks.release_tower import ReleaseTowerCallback
from deepsynth_tui.training.callbacks.restore_best import RestoreBestCallback

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

    from deepsynth_tui.training.callbacks.memory_time import MemoryTimeCallback
    from deepsynth_tui.training.result.checkpoints import ResumePoint
    from deepsynth_tui.training.run import TrainingData, TrainingRun
    from deepsynth_tui.training.trainer import DocumentTrainer


def build_callbacks(
    run: TrainingRun,
    trainer: DocumentTrainer,
    model: PeftModel | PreTrainedModel,
    data: TrainingData,
    memory_time: MemoryTimeCallback,
    checkpoint: ResumePoint | None,
) -> list[TrainerCallback]:
    """Return the callbacks of this rank in the order in which the trainer calls them.

    Metrics, gradients and memory are the same in all ranks or of interest for one, so only the
    first rank has the callbacks that look at them.
    """
    job, config, ranks = run.job, run.config, run.ranks
    callbacks: list[TrainerCallback] = [
        CompleteCheckpointsCallback(ranks, config.training.save_total_limit)
    ]
    if ranks.is_main:
        callbacks += [memory_time, PushToHubCallback(run.uploader)]
    if (
        (checkpoint is None or checkpoint.path is None)
        and run.runs_inference
        and isinstance(model, PeftModel)
        and adapters_keep_base(config)
    ):
        callbacks.append(
            BaseSamplesCallback(
                model, data.collator, data.samples, run.report_base_sample, memory_time
            )
        )
    if checkpoint is not None and checkpoint.is_extended:
        callbacks.append(ExtendedScheduleCallback())
    if config.training.optim.startswith("paged_"):
        callbacks.append(PagedStateCallback())
    if checkpoint is not None and (checkpoint.best or checkpoint.lost_best):
        callbacks.append(RestoreBestCallback(checkpoint.best))
    callbacks.append(EventReporterCallback(job, ranks, trainer))
    if ranks.is_main:
        callbacks.append(LearningCheckCallback(job, model, trainer))
    if data.collator.features is not None:
        callbacks.append(ReleaseTowerCallback(data.collator.features))
    patience = config.training.early_stopping_patience
    if patience and data.split.held_out:
        callbacks.append(
            ResumableEarlyStopping(patience, restarts=bool(checkpoint and checkpoint.is_extended))
        )
    # Last: the others decide whether a step is saved.
    callbacks.append(DiskSpaceCallback(run.disk_space, ranks))
    return callbacks


def stopped_early(callbacks: list[TrainerCallback]) -> bool:
    """Whether the user ended training before its last step."""
    return any(
        callback.stopped
        for callback in callbacks
        if isinstance(callback, EventReporterCallback | DiskSpaceCallback)
    )


def is_requeued(callbacks: list[TrainerCallback]) -> bool:
    """Whether training ended before its last step to go on in another process."""
    return any(
        callback.requeued for callback in callbacks if isinstance(callback, EventReporterCallback)
    )
