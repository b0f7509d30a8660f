"""Create the trainer of a run, and read its final evaluation and metrics."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from transformers import PrinterCallback

from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.callbacks.event_reporter import EVAL_METRICS
from deepsynth_tui.training.data.workers import LoaderWorkers, choose_workers, tensor_bytes
from deepsynth_tui.training.init_adapter import adapter_to_start_from
from deepsynth_tui.training.modeling.fsdp import let_ddp_ignore_shards
from deepsynth_tui.training.modeling.load import current_device
from deepsynth_tui.training.muon import Muon
from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord
from deepsynth_tui.training.trackers import configure_tracker
from deepsynth_tui.training.trainer import DocumentTrainer

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.result.checkpoints import ResumePoint
    from deepsynth_tui.training.run import TrainingData, TrainingRun

log = logging.getLogger(__name__)


def create_trainer(
    run: TrainingRun,
    base: LoadedModel,
    model: PeftModel | PreTrainedModel,
    data: TrainingData,
    checkpoint: ResumePoint | None,
) -> DocumentTrainer:
    """Return the trainer of a run, without the callbacks of `build_callbacks`."""
    job, config, training = run.job, run.config, run.config.training
    evaluates = len(data.split.held_out) > 0
    scorer = None
    if evaluates and training.generate_eval_samples:
        # Imported here: the library that computes ROUGE costs every other run memory.
        from deepsynth_tui.training.evaluation.answer_scorer import AnswerScorer

        scorer = AnswerScorer(
            job, data.collator, data.split.held_out, count=training.generate_eval_samples
        )
    if run.ranks.is_main:
        configure_tracker(job.run, training.report_to)
    optimizer = None
    if training.optim == "muon":
        optimizer = Muon(
            model, learning_rate=training.learning_rate, weight_decay=training.weight_decay
        )
    groups_by_length = training.train_sampling_strategy == "group_by_length"
    workers = _loader_workers(run, data)
    trainer = DocumentTrainer(
        model=model,
        args=training_arguments(
            config,
            checkpoints=job.run.checkpoints,
            evaluates=evaluates,
            run_name=job.run.id,
            resumes=checkpoint is not None and checkpoint.path is not None,
            workers=workers,
        ),
        train_dataset=data.split.train,
        eval_dataset=data.split.held_out if evaluates else None,
        data_collator=data.collator,
        processor=base.processor,
        record=_record(run, checkpoint),
        ranks=run.ranks,
        scorer=scorer,
        group_by_lengths=data.lengths if groups_by_length else None,
        padding_free=training.padding_free,
        optimizers=(optimizer, None),  # without an optimizer, the trainer creates args.optim
    )
    if training.fsdp:
        let_ddp_ignore_shards(trainer.accelerator)
    trainer.remove_callback(PrinterCallback)  # EventReporterCallback writes the log
    return trainer


def _loader_workers(run: TrainingRun, data: TrainingData) -> LoaderWorkers:
    """Return the processes that prepare the batches of this rank, and report their number."""
    training, rows = run.config.training, data.split.train

    def batch_bytes() -> int:
        longest = max(range(len(rows)), key=data.lengths.__getitem__)
        return training.per_device_train_batch_size * tensor_bytes(data.collator([rows[longest]]))

    workers = choose_workers(
        training,
        on_gpu=current_device().type == "cuda",
        ranks=run.config.processes_per_node,
        batch_bytes=batch_bytes,
        batches=math.ceil(len(rows) / training.per_device_train_batch_size),
    )
    if run.ranks.is_main:
        log.info("%d worker processes prepare batches", workers.count)
        if workers.warning:
            run.job.warning(workers.warning)
            log.warning("%s", workers.warning)
    return workers


def _record(run: TrainingRun, checkpoint: ResumePoint | None) -> CheckpointRecord:
    if checkpoint is not None and checkpoint.record is not None:
        return checkpoint.record
    adapter = adapter_to_start_from(run.config, checkpoint)
    return CheckpointRecord(run.config, init_from=adapter.to_json() if adapter else None)


def evaluate_last_step(job: Job, trainer: DocumentTrainer) -> None:
    """Evaluate the final weights, unless training ended with an evaluation."""
    steps = [entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry]
    if not steps or steps[-1] != trainer.state.global_step:
        job.phase("evaluating")
        trainer.evaluate()


def final_metrics(trainer: DocumentTrainer) -> dict[str, Any]:
    """Return the metrics of the weights that are saved: of the last step or the best evaluation."""
    history = trainer.state.log_history
    losses = [entry["loss"] for entry in history if "loss" in entry]
    best_step = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    evaluations = [
        {name: entry[name] for name in EVAL_METRICS if name in entry}
        for entry in history
        if "eval_loss" in entry and (not best_step or entry["step"] == best_step)
    ]
    metrics: dict[str, Any] = {"steps": trainer.state.global_step}
    if losses:
        metrics |= {"first_loss": losses[0], "last_loss": losses[-1]}
    if evaluations:
        metrics |= evaluations[-1]
    if best_step:
        metrics["kept_step"] = best_step
        log.info("kept the weights of step %d, the best", best_step)
    return metrics
