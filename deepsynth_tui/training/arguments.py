"""Translate a `TrainingConfig` into `transformers.TrainingArguments`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainingArguments

from deepsynth_tui.training.data.workers import NO_WORKERS, LoaderWorkers
from deepsynth_tui.training.modeling.load import current_device

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig

GREATER_IS_BETTER = ("eval_exact_match", "eval_rouge_l")


def training_arguments(
    config: TrainingConfig,
    *,
    checkpoints: Path,
    evaluates: bool,
    run_name: str | None = None,
    resumes: bool = False,
    workers: LoaderWorkers = NO_WORKERS,
) -> TrainingArguments:
    """Return the arguments of a run that writes its checkpoints to the folder `checkpoints`.

    `run_name` is what trackers call the run. It must be unique: trackio puts runs of one name on
    one curve. A run that `resumes` does not evaluate the base model again. `workers` prepare the
    batches. With early stopping, transformers loads the best checkpoint at the end and therefore
    requires `save_steps` to be a multiple of `eval_steps`.

    Raises:
        ValueError: transformers refuses settings that this machine does not support.
    """
    training = config.training
    keeps_best = evaluates and training.keeps_best
    groups_by_length = training.train_sampling_strategy == "group_by_length"
    return TrainingArguments(
        output_dir=str(checkpoints),
        run_name=run_name,
        per_device_train_batch_size=training.per_device_train_batch_size,
        per_device_eval_batch_size=training.per_device_eval_batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        num_train_epochs=training.num_train_epochs,
        max_steps=training.max_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler_type,
        lr_scheduler_kwargs=dict(training.lr_scheduler_kwargs),
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        # transformers has no "muon"; the optimizer is passed to the trainer.
        optim=training.optim if training.optim != "muon" else "adamw_torch",
        bf16=training.bf16,
        fp16=training.fp16,
        seed=training.seed,
        logging_strategy="steps",
        logging_steps=training.logging_steps,
        logging_first_step=True,
        # A NaN loss ends the run; the filter would log the last finite loss in its place.
        logging_nan_inf_filter=False,
        eval_strategy="steps" if evaluates and training.eval_steps else "no",
        eval_steps=training.eval_steps,
        eval_on_start=evaluates and training.eval_on_start and not resumes,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=training.save_steps,
        # CompleteCheckpointsCallback deletes old checkpoints once every rank has written its part.
        save_total_limit=None,
        load_best_model_at_end=keeps_best,
        metric_for_best_model=training.metric_for_best_model if keeps_best else None,
        greater_is_better=training.metric_for_best_model in GREATER_IS_BETTER,
        report_to=training.report_to,
        project="deepsynth-tui",
        # None would publish the trackio dashboard as a Space.
        trackio_static_space_id=False,
        use_liger_kernel=training.use_liger_kernel,
        disable_tqdm=True,
        # The collator reads columns that are no arguments of the model.
        remove_unused_columns=False,
        # DocumentTrainer groups by length itself: transformers reads lengths from a dataset column.
        train_sampling_strategy="random" if groups_by_length else training.train_sampling_strategy,
        dataloader_num_workers=workers.count,
        dataloader_prefetch_factor=workers.prefetch_factor,
        # Forked workers share the memory of the libraries, the dataset and the processor.
        dataloader_multiprocessing_context="fork" if workers.count else None,
        # DocumentTrainer makes those of evaluations end with each.
        dataloader_persistent_workers=workers.count > 0,
        dataloader_pin_memory=current_device().type == "cuda",
        use_cpu=current_device().type == "cpu",
        # A batch may not reach some experts, or a trained vision tower.
        ddp_find_unused_parameters=True,
    )
