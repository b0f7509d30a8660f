"""The loop over the steps, from a model with adapters to one that has learned."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transformers import PrinterCallback

from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.callbacks import trackers
from deepsynth_tui.training.callbacks.data_wait import DataWaitMonitor
from deepsynth_tui.training.callbacks.early_stopping import ResumableEarlyStopping
from deepsynth_tui.training.callbacks.event_reporter import EVAL_METRICS, EventReporterCallback
from deepsynth_tui.training.callbacks.learning_check import LearningCheckCallback
from deepsynth_tui.training.trainer import DocumentTrainer

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, TrainerCallback

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.result.checkpoints import ResumePoint
    from deepsynth_tui.training.result.disk_space import DiskSpaceCallback

log = logging.getLogger(__name__)


def run_steps(
    job: Job,
    config: TrainingConfig,
    base: LoadedModel,
    model: PeftModel | PreTrainedModel,
    split: Split,
    batcher: Collator,
    checkpoint: ResumePoint | None,
    peers: RankGroup,
    guard: DiskSpaceCallback,
    *,
    lengths: Sequence[int],
    watchers: Sequence[TrainerCallback] = (),
) -> tuple[DocumentTrainer, bool]:
    """Train; return the trainer and whether the person ended it early.

    `lengths` are tokens of the rows to train on. `watchers` look on, and the `guard` keeps the
    disk from filling.
    """
    evaluates = len(split.held_out) > 0
    resume_from = checkpoint.path if checkpoint else None
    waiting = DataWaitMonitor(config.training.dataloader_num_workers)
    reporter, learning = (
        EventReporterCallback(job, peers, waiting),
        LearningCheckCallback(job, model),
    )
    callbacks: list[Any] = [*watchers, reporter]
    if peers.first:  # gradients are the same in all
        callbacks.append(learning)
    if evaluates and (patience := config.training.early_stopping_patience):
        callbacks.append(ResumableEarlyStopping(early_stopping_patience=patience))
    callbacks.append(guard)  # after those that decide what is saved
    scorer = None
    if evaluates and (count := config.training.generate_eval_samples):
        # Here, for the library that scores takes memory from every run.
        from deepsynth_tui.training.evaluation.answer_scorer import AnswerScorer

        scorer = AnswerScorer(job, batcher, split.held_out, count=count)
    if peers.first:
        trackers.prepare(job.run, config.training.report_to)
    trainer = DocumentTrainer(
        model=model,
        args=training_arguments(
            config,
            checkpoints=job.run.checkpoints,
            evaluates=evaluates,
            run=job.run.id,
            resumes=resume_from is not None,
        ),
        train_dataset=split.train,
        eval_dataset=split.held_out if evaluates else None,
        data_collator=batcher,
        processor=base.processor,
        peers=peers,
        kept_checkpoints=config.training.save_total_limit,
        scorer=scorer,
        lengths=lengths,
        muon=config.training.optim == "muon",
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # the reporter writes the lines
    reporter.trainer = learning.trainer = trainer
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    return trainer, reporter.stopped or guard.stopped


def evaluate_last(job: Job, trainer: DocumentTrainer) -> None:
    """Evaluate the final weights, unless the last step of the loop did."""
    done = [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]
    if not done or done[-1] != trainer.state.global_step:
        job.phase("evaluating")
        trainer.evaluate()


def last_figures(trainer: DocumentTrainer) -> dict[str, Any]:
    """Figures of the weights that are saved: those of the last step, or of the best evaluation."""
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    kept = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    held_out = [
        {name: entry[name] for name in EVAL_METRICS if name in entry}
        for entry in history
        if "eval_loss" in entry and (not kept or entry["step"] == kept)
    ]
    figures: dict[str, Any] = {"steps": trainer.state.global_step}
    if losses:
        figures |= {"first_loss": losses[0], "last_loss": losses[-1]}
    if held_out:
        figures |= held_out[-1]
    if kept:
        figures["kept_step"] = kept
        log.info("kept the weights of step %d, the best", kept)
    return figures
