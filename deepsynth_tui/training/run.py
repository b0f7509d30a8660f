"""The steps of a training run; `job.train` calls them in order.

Every rank takes every step. Where only the first rank acts, the step says so itself.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from peft import PeftModel
from transformers import set_seed

from deepsynth_tui.estimate.checkpointing import is_automatic, is_offloaded, with_checkpointing
from deepsynth_tui.models.towers import adapted_by_tower
from deepsynth_tui.runs.atomic import atomic_folder
from deepsynth_tui.training import estimate_record
from deepsynth_tui.training.callbacks.base_samples import adapters_keep_base
from deepsynth_tui.training.callbacks.build import build_callbacks, is_requeued, stopped_early
from deepsynth_tui.training.callbacks.memory_time import MemoryMeter, MemoryTimeCallback
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.data.count_rows import distinct_indices
from deepsynth_tui.training.data.dataset import load_split
from deepsynth_tui.training.data.select_rows import select_rows
from deepsynth_tui.training.divergence import check_divergence
from deepsynth_tui.training.evaluation.samples import Sample, answer_logits, take_sample
from deepsynth_tui.training.failures.memory import explain_loading_out_of_memory
from deepsynth_tui.training.features.prepare import cache_page_features, page_features_in_use
from deepsynth_tui.training.fit import create_trainer, evaluate_last_step, final_metrics
from deepsynth_tui.training.init_adapter import adapter_to_start_from
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.eva import initialize_eva_weights
from deepsynth_tui.training.modeling.fsdp import shard_model
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import current_device, load_model_and_processor
from deepsynth_tui.training.modeling.quantization import quantization_notes
from deepsynth_tui.training.modeling.revisions import pin_revisions
from deepsynth_tui.training.padding_free.check import prepare_padding_free
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.result import lineage
from deepsynth_tui.training.result.changed_config import report_changes
from deepsynth_tui.training.result.checkpoints import ResumePoint
from deepsynth_tui.training.result.copy_checkpoint import copy_checkpoint
from deepsynth_tui.training.result.disk_space import DiskSpace, result_bytes
from deepsynth_tui.training.result.find_checkpoint import newest_whole
from deepsynth_tui.training.result.publish import HubUploader
from deepsynth_tui.training.result.save import save_trained
from deepsynth_tui.training.result.usage import usage
from deepsynth_tui.training.result.verify import Verification, verify
from deepsynth_tui.training.text_encoder.checkpoint import restore as restore_text_encoder
from deepsynth_tui.training.text_encoder.checkpoint import save_tokenizer
from deepsynth_tui.training.text_encoder.load import load_text_encoder
from deepsynth_tui.training.text_encoder.soft_tokens import (
    attach_text_encoder,
    text_encoder_attached,
)
from deepsynth_tui.training.usable_gpu import describe_device, require_bfloat16

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.row_statistics import RowStatistics
    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.data.example import Example
    from deepsynth_tui.training.data.select_rows import SelectedRows
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.text_encoder.module import TextEncoder
    from deepsynth_tui.training.trainer import DocumentTrainer

    Model = PeftModel | PreTrainedModel

log = logging.getLogger(__name__)

MB = 10**6
MODEL_FOLDER = "model"  # of full fine-tuning; an adapter goes to RunDirectory.adapter
Verdict = Literal["completed", "stopped", "requeued"]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The rows that are used, and the collator that makes batches of them.

    `selected` says which rows of the dataset these are, and what was done with the others. The
    answers to `samples` are shown before and after training.
    """

    collator: Collator
    split: Split
    selected: SelectedRows
    samples: list[Example]

    @property
    def statistics(self) -> RowStatistics:
        """The lengths of the rows to train on."""
        return self.selected.statistics

    @property
    def lengths(self) -> Sequence[int]:
        """The tokens of each row to train on."""
        return self.selected.lengths


@dataclass(frozen=True, slots=True)
class SavedResult:
    """The folder of the adapter or model. `config` has the commits that were loaded."""

    folder: Path
    config: TrainingConfig
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReferenceLogits:
    """The logits of the trained model for one row, which the saved one has to reproduce."""

    inputs: dict[str, torch.Tensor]
    logits: torch.Tensor


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """What all steps of a run need."""

    job: Job
    config: TrainingConfig
    ranks: RankGroup
    disk_space: DiskSpace
    uploader: HubUploader
    meter: MemoryMeter

    @classmethod
    def create(
        cls, job: Job, config: TrainingConfig, ranks: RankGroup | None, disk_space: DiskSpace | None
    ) -> TrainingRun:
        """Return a run, by default of one rank and on the disk of its run directory."""
        return cls(
            job=job,
            config=config,
            ranks=ranks or RankGroup(),
            disk_space=disk_space or DiskSpace(job),
            uploader=HubUploader(job, config.output),
            meter=MemoryMeter(),  # before anything uses the GPU
        )

    @property
    def runs_inference(self) -> bool:
        """Whether this rank computes samples and logits.

        FSDP ranks hold only a shard of each layer, so all of them take part.
        """
        return self.ranks.is_main or self.config.training.fsdp

    def stop_requested(self) -> bool:
        """Whether to stop before training begins; the same in all ranks."""
        return self.ranks.broadcast_request(self.job.stop_requested()) is not None

    def find_checkpoint(self) -> ResumePoint:
        """Return the checkpoint to resume from, and report its step.

        The run that this one continues may have a newer one, which the first rank copies here if
        `config.resume_training` allows it. Which run to resume was decided by `workflows.resume`.
        """
        job, world_size = self.job, self.ranks.world_size
        newest: ResumePoint | None = None
        if self.ranks.is_main:
            keeps_best = self.config.training.keeps_best
            newest = newest_whole(job, job.run, world_size, keeps_best=keeps_best)
            if copy_checkpoint(job, self.config, self.disk_space, world_size, newest.step):
                newest = newest_whole(job, job.run, world_size, keeps_best=keeps_best)
        checkpoint = self.ranks.broadcast(newest)
        assert checkpoint is not None
        if checkpoint.path is None:
            self.job.warning("There is no complete checkpoint to resume from: starting at step 0")
        self.job.resumed(checkpoint.step)
        return report_changes(self.job, self.config, checkpoint)

    def load(self, checkpoint: ResumePoint | None) -> tuple[LoadedModel, TextEncoder | None]:
        """Load the base model and, if there is one, the text encoder."""
        config = self.config
        require_bfloat16(config)
        adapter_to_start_from(config, checkpoint)  # refused before the weights are loaded
        self.job.phase("loading", config.model.name_or_path)
        log.info("loading %s", config.model.name_or_path)
        with explain_loading_out_of_memory(config):
            base = load_model_and_processor(
                config,
                stay_on_cpu=config.training.fsdp,
                on_download=lambda done, total: self.job.progress(done // MB, total // MB, "MB"),
            )
            encoder = load_text_encoder(base.model, config)
        log.info("%s, %s parameters", type(base.model).__name__, f"{base.model.num_parameters():,}")
        log.info("on %s", describe_device())
        if encoder is not None:
            size = sum(parameter.numel() for parameter in encoder.encoder.parameters())
            log.info(
                "text encoder %s, %s parameters", config.text_encoder.name_or_path, f"{size:,}"
            )
        return base, encoder

    def prepare_data(self, base: LoadedModel) -> TrainingData | None:
        """Load the rows, count their tokens, and handle those that are bad or too long.

        The first rank reads all rows and tells the others which to use. Returns None if asked to
        stop meanwhile.
        """
        config, job = self.config, self.job
        job.phase("preparing", config.dataset_paths)
        split = load_split(config, images=base.reads_images)
        log.info("%d rows to train on, %d held out", len(split.train), len(split.held_out))
        collator = Collator(base, config)
        total = sum(len(distinct_indices(rows)) for rows in (split.train, split.held_out))

        def report(rows_done: int) -> bool:
            job.progress(rows_done, total, "rows")
            return job.stop_requested() is None

        selected = self.ranks.broadcast(
            select_rows(split, collator, report=report) if self.ranks.is_main else None
        )
        if selected is None:
            return None
        notes = (*base.pixel_limits.notes, *quantization_notes(base.model), *selected.notes)
        for message in notes:
            job.warning(message)
            log.warning("%s", message)
        split = selected.of(split)
        rows = split.held_out or split.train
        return TrainingData(
            collator=collator,
            split=split,
            selected=selected,
            samples=[rows[i] for i in range(min(len(rows), config.training.show_samples))],
        )

    def decide_checkpointing(self, data: TrainingData) -> TrainingConfig:
        """Return the configuration with gradient checkpointing on or off; the same in all ranks."""
        if not is_automatic(self.config):
            return self.config
        needed = self.ranks.broadcast(
            estimate_record.checkpointing_needed(self.config, data.statistics)
            if self.ranks.is_main
            else None
        )
        return with_checkpointing(self.config, value=bool(needed))

    def publish_estimate(
        self, decided: TrainingConfig, data: TrainingData
    ) -> estimate_record.RunEstimate | None:
        """Estimate memory, time and disk in the first rank, and refuse a run that fills the disk.

        Returns None in other ranks, and if no estimate can be made.
        """
        if not self.ranks.is_main:
            return None
        estimate = estimate_record.publish_estimate(self.job, decided, data.statistics)
        if estimate is not None:
            self.disk_space.refuse_if_short(estimate.disk)
        return estimate

    def sample_base_model(
        self, base: LoadedModel, encoder: TextEncoder | None, data: TrainingData
    ) -> None:
        """Report the base model's answers, unless BaseSamplesCallback can do so after a step."""
        if self.ranks.is_main and not adapters_keep_base(self.config):
            with text_encoder_attached(base.model, encoder):
                for example in data.samples:
                    self.report_base_sample(take_sample(base.model, data.collator, example))

    def attach_trainable(
        self,
        base: LoadedModel,
        encoder: TextEncoder | None,
        data: TrainingData,
        decided: TrainingConfig,
        checkpoint: ResumePoint | None,
    ) -> Model:
        """Add adapters, or unfreeze the model, and prepare it for training.

        `decided` says whether to recompute activations. The weights of `lora.init_from` are loaded
        unless those of a checkpoint will be.
        """
        config = self.config
        set_seed(config.training.seed)  # so that a resumed run draws the same adapters
        model: Model = base.model
        if config.lora.enabled:
            model = lora.add_adapters(base.model, config, revision=base.commit)
            if adapter := adapter_to_start_from(config, checkpoint):
                lora.load_adapter_weights(model, adapter.folder)
                if encoder is not None and adapter.encoder_folder:
                    restore_text_encoder(encoder, adapter.folder)
                log.info("starts from the adapter in %s", adapter.folder)
            elif config.lora.init_lora_weights == "eva" and not (checkpoint and checkpoint.path):
                log.info("computing the principal components of the inputs of each layer")
                initialize_eva_weights(model, config, data.collator, data.split.train)
        else:
            lora.prepare_full_finetuning(base.model, config)
        if decided.training.gradient_checkpointing:
            on_gpu = current_device().type == "cuda"
            if is_offloaded(decided) and not on_gpu:
                log.warning("inputs of layers are not offloaded: this run is not on a GPU")
            enable_gradient_checkpointing(
                model,
                config.training.checkpoint_every_n_layers,
                offload=is_offloaded(decided) and on_gpu,
            )
        if isinstance(model, PeftModel) and config.training.fsdp:
            shard_model(model)
        if encoder is not None:
            attach_text_encoder(model, encoder)
        for tower, count in lora.trainable_parameters_by_tower(model).items():
            part = tower.replace("_", " ") if tower.startswith("text_") else f"{tower} tower"
            log.info("trainable in the %s: %s parameters", part, f"{count:,}")
        return model

    def prepare_padding_free(self, model: Model, data: TrainingData) -> None:
        """Prepare the model for rows without padding, if that is wanted; refuse it if it fails."""
        if self.config.training.padding_free:
            train = data.split.train
            prepare_padding_free(model, data.collator, train, data.lengths, self.config)

    def cache_page_features(
        self,
        base: LoadedModel,
        model: Model,
        data: TrainingData,
        estimate: estimate_record.RunEstimate | None,
    ) -> estimate_record.RunEstimate | None:
        """Encode each page once, if that is wanted and worth it; return the estimate of that."""
        return cache_page_features(self, base, model, data, estimate)

    def fit(
        self,
        base: LoadedModel,
        model: Model,
        data: TrainingData,
        decided: TrainingConfig,
        estimate: estimate_record.RunEstimate | None,
        checkpoint: ResumePoint | None,
    ) -> tuple[DocumentTrainer, Verdict]:
        """Train, evaluate the final weights, and compare what it took with the estimate."""
        self._report_trainable(model)
        memory_time = MemoryTimeCallback(self.job, self.meter)
        resume_from = checkpoint.path if checkpoint else None
        with page_features_in_use(self.job, data.collator):
            with (
                estimate_record.record_against(estimate, self.job, memory_time)
                if self.ranks.is_main
                else estimate_record.explain_by_estimate(self.job, decided, data.statistics)
            ):
                trainer = create_trainer(self, base, model, data, checkpoint)
                callbacks = build_callbacks(self, trainer, model, data, memory_time, checkpoint)
                for callback in callbacks:
                    trainer.add_callback(callback)
                trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
            stopped = stopped_early(callbacks)
            if data.split.held_out and not stopped:
                evaluate_last_step(self.job, trainer)
        if not self.config.training.fsdp:
            self.ranks.leave()  # the first rank has the whole model and goes on alone
        if is_requeued(callbacks):
            return trainer, "requeued"
        return trainer, "stopped" if stopped else "completed"

    def save(
        self,
        base: LoadedModel,
        encoder: TextEncoder | None,
        model: Model,
        data: TrainingData,
        trainer: DocumentTrainer,
    ) -> SavedResult:
        """Write the adapter or model with its lineage in the first rank, and sample it."""
        self.job.phase("saving")
        metrics = final_metrics(trainer)
        is_adapter = self.config.lora.enabled
        folder = self.job.run.adapter if is_adapter else self.job.run.path / MODEL_FOLDER
        config = pin_revisions(self.config, model=base.commit, encoder=encoder and encoder.commit)
        if self.ranks.is_main:
            self.disk_space.require(result_bytes(model), "The result", phase="saving")
            with atomic_folder(folder) as draft:
                save_trained(model, base.processor, draft)
                if base.instruction_tokenizer is not None:
                    save_tokenizer(base.instruction_tokenizer.tokenizer, draft)
                output = config.output
                assert trainer.record is not None
                location = str(output.hub_model_id) if output.push_to_hub else str(folder)
                lineage.write_lineage(
                    draft,
                    lineage.build_lineage(
                        base,
                        config,
                        data.split,
                        metrics,
                        data.selected,
                        usage(base, data.collator, data.samples[0], location=location),
                        trainer.record,
                        encoder,
                    ),
                )
            log.info("saved %s", folder)
        self.ranks.barrier()
        for example in data.samples:
            self._report_sample(take_sample(model, data.collator, example), when="after")
        return SavedResult(folder, config, metrics)

    def reference_logits(
        self, model: Model, data: TrainingData, trainer: DocumentTrainer
    ) -> ReferenceLogits:
        """Compute the logits that the saved result has to reproduce, for the first sample row.

        Raises:
            TrainingError: training diverged, so there is nothing worth saving.
        """
        inputs = data.collator.encode([data.collator.render(data.samples[0])])
        logits = answer_logits(model.eval(), inputs, self.config)
        # The best weights are not those of the last losses.
        history = [] if trainer.args.load_best_model_at_end else trainer.state.log_history
        check_divergence(
            [entry["loss"] for entry in history if "loss" in entry],
            logits,
            learning_rate=self.config.training.learning_rate,
            uses_lora=self.config.lora.enabled,
        )
        return ReferenceLogits(inputs, logits)

    def verify(self, result: SavedResult, reference: ReferenceLogits) -> Verification:
        """Load the result as a user would and compare it with the model that was trained.

        The caller must not hold the trained model any more: the second one needs its memory.
        """
        self.job.phase("verifying", str(result.folder))
        gc.collect()
        return verify(
            result.folder, result.config, inputs=reference.inputs, trained=reference.logits
        )

    def publish(self, result: SavedResult, verification: Verification, data: TrainingData) -> None:
        """Report the result and upload it, in the first rank."""
        self.ranks.leave()
        if not self.ranks.is_main:
            return
        log.info(
            "loaded again: logits differ by %.2g from the trained model's, by %.2g from the base's",
            verification.from_trained,
            verification.from_base,
        )
        if not verification.changes_the_base:
            self.job.warning("The adapter has no effect yet: its answers are those of the base")
        self.job.result(
            path=result.folder,
            verification=verification.to_json(),
            **data.selected.counts,
            **result.metrics,
        )
        self.uploader.upload_result(result.folder)

    def report_base_sample(self, answer: Sample) -> None:
        """Report an answer of the base model."""
        self._report_sample(answer, when="before")

    def _report_sample(self, answer: Sample, *, when: Literal["before", "after"]) -> None:
        cut = " (cut: it did not end)" if answer.is_cut else ""
        log.info(
            "%s training, loss of one answer %.3f, output%s: %r",
            when,
            answer.loss,
            cut,
            answer.output,
        )
        self.job.sample(**asdict(answer), when=when)

    def _report_trainable(self, model: Model) -> None:
        adapted = adapted_by_tower(lora.adapted_modules(model))
        for tower, modules in adapted.items():
            log.info("%s: %s", tower, ", ".join(f"{name} x {n}" for name, n in modules.items()))
        counts = lora.trainable_parameters_by_tower(model)
        detail = f"{sum(counts.values()):,} trainable parameters"
        self.job.phase("training", detail, trainable=dict(counts), adapted=adapted)
