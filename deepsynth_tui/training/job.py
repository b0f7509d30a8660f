"""The process of a training run: `python -m deepsynth_tui.training.job RUN_PATH [--resume]`.

The work in order: load the model, attach adapters, read the dataset, check that every row fits,
train, save, and prove that what was saved is what was trained.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.load import load_file
from deepsynth_tui.runs.directory import open_run, read_identity
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training.environment import disable_torch_compile, use_first_gpu_only
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.silence_libraries import silence_libraries

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, TrainerCallback

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Split
    from deepsynth_tui.training.data.too_long_rows import LimitedSplit
    from deepsynth_tui.training.modeling.load import LoadedModel
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.result.checkpoints import ResumePoint
    from deepsynth_tui.training.result.disk_space import DiskSpace
    from deepsynth_tui.training.text_encoder.module import TextEncoder

log = logging.getLogger("deepsynth_tui.training.job")  # __name__ is __main__ in the process

MODEL_FOLDER = "model"  # of a full fine-tuning; an adapter goes to RunDirectory.adapter


def train(
    job: Job, *, resume: bool, peers: RankGroup | None = None, room: DiskSpace | None = None
) -> str:
    """Do a whole run and return its verdict, "completed" or "stopped".

    Of several `peers` each does all of it but what one alone must do: the first one counts, shows,
    saves and verifies, and its job is the only one that speaks. A stop before the first step
    leaves nothing; later ones leave a checkpoint and what was trained so far. Without `room` on
    the disk nothing is written: the run waits.
    """
    from peft import PeftModel
    from transformers import set_seed

    from deepsynth_tui.models.towers import adapted_by_tower
    from deepsynth_tui.training.callbacks.base_samples import (
        BaseSamplesCallback,
        adapters_keep_base,
    )
    from deepsynth_tui.training.callbacks.memory_time import MemoryMeter, MemoryTimeCallback
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split
    from deepsynth_tui.training.estimate_record import (
        explain_out_of_memory,
        publish_estimate,
        record_against,
    )
    from deepsynth_tui.training.evaluation.samples import answer_logits, take_sample
    from deepsynth_tui.training.fit import evaluate_last, last_figures, run_steps
    from deepsynth_tui.training.modeling import lora
    from deepsynth_tui.training.modeling.fsdp import shard_model
    from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
    from deepsynth_tui.training.modeling.load import load_model_and_processor
    from deepsynth_tui.training.modeling.revisions import pin_revisions
    from deepsynth_tui.training.ranks.rank_group import RankGroup
    from deepsynth_tui.training.result.disk_space import DiskSpace, DiskSpaceCallback, trained_bytes
    from deepsynth_tui.training.result.publish import HubUploader
    from deepsynth_tui.training.result.verify import verify
    from deepsynth_tui.training.text_encoder.load import load_text_encoder
    from deepsynth_tui.training.text_encoder.soft_tokens import (
        attach_text_encoder,
        text_encoder_attached,
    )

    meter = MemoryMeter()  # before the GPU is touched
    peers, room = peers or RankGroup(), room or DiskSpace(job)
    config = training_config(job)
    checkpoint = _checkpoint(job, config, peers, room) if resume else None
    if peers.agreed(job.stop_requested()):
        return "stopped"

    job.phase("loading", config.model.name_or_path)
    log.info("loading %s", config.model.name_or_path)
    base = load_model_and_processor(config, stay_on_cpu=config.training.fsdp)
    log.info("%s, %s parameters", type(base.model).__name__, f"{base.model.num_parameters():,}")
    encoder = load_text_encoder(base.model, config)
    if encoder is not None:
        size = sum(parameter.numel() for parameter in encoder.encoder.parameters())
        log.info("text encoder %s, %s parameters", config.text_encoder.name_or_path, f"{size:,}")

    job.phase("preparing", config.data.path)
    split = load_split(config.data, images=base.reads_images)
    log.info("%d rows to train on, %d held out", len(split.train), len(split.held_out))
    batcher = Collator(base, config)
    fitted = _fitted(job, split, batcher)
    if peers.agreed(job.stop_requested()) or fitted is None:
        return "stopped"
    split, excess = fitted.split, fitted.notes
    expected = publish_estimate(job, config, fitted.statistics) if peers.first else None
    if expected:
        room.refuse_if_short(expected.disk)
    rows = split.held_out or split.train
    shown = [rows[index] for index in range(min(len(rows), config.training.show_samples))]
    is_new = checkpoint is None or checkpoint.path is None
    if peers.first and is_new and not adapters_keep_base(config):
        with text_encoder_attached(base.model, encoder):
            for row in shown:
                _report_sample(job, take_sample(base.model, batcher, row), when="before")

    set_seed(config.training.seed)  # before the adapters are drawn, so that a resumed run has them
    model: PeftModel | PreTrainedModel = base.model
    if config.lora.enabled:
        for unknown in lora.unmatched_target_modules(base.model, config):
            job.warning(f"The model has no linear called {unknown} (lora.target_modules)")
        model = lora.add_adapters(base.model, config, revision=base.commit)
    else:
        lora.prepare_full_finetuning(base.model, config)
    if config.training.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    if isinstance(model, PeftModel) and config.training.fsdp:
        shard_model(model)
    if encoder is not None:
        attach_text_encoder(model, encoder)
    counts = lora.trainable_parameters_by_tower(model)
    total = sum(counts.values())
    for tower, count in counts.items():
        part = tower.replace("_", " ") if tower.startswith("text_") else f"{tower} tower"
        log.info("trainable in the %s: %s parameters", part, f"{count:,}")
    if peers.agreed(job.stop_requested()):
        return "stopped"

    adapted = adapted_by_tower(lora.adapted_modules(model))
    for tower, called in adapted.items():
        log.info("%s: %s", tower, ", ".join(f"{name} x {n}" for name, n in called.items()))
    trains = f"{total:,} trainable parameters"
    job.phase("training", trains, trainable=dict(counts), adapted=adapted)
    gauge, guard = MemoryTimeCallback(job, meter), DiskSpaceCallback(room, peers)
    publisher = HubUploader(job, config.output)
    watchers: list[TrainerCallback] = [gauge, publisher] if peers.first else []
    looks = peers.first or config.training.fsdp  # of whose layers each process has but a part
    if looks and is_new and isinstance(model, PeftModel) and adapters_keep_base(config):
        show = partial(_report_sample, job, when="before")
        watchers.append(BaseSamplesCallback(model, batcher, shown, show, gauge))
    watched = record_against(expected, job, gauge)
    with watched if peers.first else explain_out_of_memory(job, config, fitted.statistics):
        trainer, stopped = run_steps(
            job,
            config,
            base,
            model,
            split,
            batcher,
            checkpoint,
            peers,
            guard,
            lengths=fitted.lengths,
            watchers=watchers,
        )
    if split.held_out and not stopped:
        evaluate_last(job, trainer)
    verdict = "stopped" if stopped else "completed"
    if not config.training.fsdp:
        peers.part()
    if not looks:
        return verdict

    job.phase("saving")
    metrics = last_figures(trainer)
    folder = job.run.adapter if config.lora.enabled else job.run.path / MODEL_FOLDER
    loaded = pin_revisions(config, model=base.commit, encoder=encoder and encoder.commit)
    if peers.first:
        room.require(trained_bytes(model), "What was trained", phase="saving")
        _save(folder, loaded, base, model, split, metrics, excess, encoder)
        log.info("saved %s", folder)
    peers.wait()
    for row in shown:
        _report_sample(job, take_sample(model, batcher, row), when="after")

    job.phase("verifying", str(folder))
    inputs = batcher.encode([batcher.render(shown[0])])
    trained = answer_logits(model.eval(), inputs, config)
    # The next model needs the room; one of the watchers holds this one, too.
    del trainer, model, encoder, base, batcher, watchers
    gc.collect()
    found = verify(folder, loaded, inputs=inputs, trained=trained)
    peers.part()
    if not peers.first:
        return verdict
    log.info(
        "loaded again: logits differ by %.2g from the trained model's, by %.2g from the base's",
        found.from_trained,
        found.from_base,
    )
    if not found.changes_the_base:
        job.warning("The adapter changes nothing yet: its answers are those of the base model")
    job.result(path=folder, verification=found.to_json(), **fitted.counts, **metrics)
    publisher.publish(folder)
    return verdict


def training_config(job: Job) -> TrainingConfig:
    """The settings that were frozen when the run was made."""
    from deepsynth_tui.config.training import TrainingConfig

    config = load_file(job.run.config).config
    if not isinstance(config, TrainingConfig):
        raise TypeError(f"{job.run.config} is of kind {config.kind}, not training")
    return config


def _checkpoint(job: Job, config: TrainingConfig, peers: RankGroup, room: DiskSpace) -> ResumePoint:
    from deepsynth_tui.training.result.checkpoints import newest_complete
    from deepsynth_tui.training.result.copy_checkpoint import copy_checkpoint

    if peers.first:
        copy_checkpoint(job, config, room, peers.count)
    peers.wait()
    found = newest_complete(job.run.checkpoints, peers.count)
    for path, flaw in found.torn:
        job.warning(f"{path.name} is passed over: {flaw}")
    if found.path is None:
        job.warning("There is no whole checkpoint to resume from: starting at step 0")
    job.resumed(found.step)
    return found


def _fitted(job: Job, split: Split, batcher: Collator) -> LimitedSplit | None:
    """Count the tokens of every row and see to those that are too long; None when asked to stop
    meanwhile."""
    from deepsynth_tui.training.data.too_long_rows import limit_split_length

    total = len(split.train) + len(split.held_out)

    def report(rows_done: int) -> bool:
        job.progress(rows_done, total, "rows")
        return job.stop_requested() is None

    fitted = limit_split_length(split, batcher, report=report)
    for said in fitted.notes if fitted else ():
        job.warning(said)
        log.warning("%s", said)
    return fitted


def _save(
    folder: Path,
    config: TrainingConfig,
    base: LoadedModel,
    model: PeftModel | PreTrainedModel,
    split: Split,
    metrics: dict[str, Any],
    excess: Sequence[str],
    encoder: TextEncoder | None,
) -> None:
    from deepsynth_tui.training.result import lineage
    from deepsynth_tui.training.result.save import atomic_folder, save_trained
    from deepsynth_tui.training.text_encoder.checkpoint import save_tokenizer

    with atomic_folder(folder) as draft:
        save_trained(model, base.processor, draft)
        if base.instruction_tokenizer is not None:
            save_tokenizer(base.instruction_tokenizer.tokenizer, draft)
        lineage.write_lineage(
            draft, lineage.build_lineage(base, config, split, metrics, excess, encoder)
        )


def _report_sample(job: Job, made: Any, *, when: Any) -> None:
    log.info("%s training, loss of one answer %.3f, output: %r", when, made.loss, made.output)
    job.sample(**asdict(made), when=when)


def main(arguments: list[str] | None = None) -> int:
    """Run the job of a run directory; the exit code is that of `run_job`."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.job")
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    logging.getLogger("deepsynth_tui").setLevel(logging.INFO)
    disable_torch_compile()
    run_path = given.run.resolve()
    os.chdir(read_identity(open_run(run_path)).cwd)

    def body(job: Job) -> str:
        count = training_config(job).training.num_processes
        if count > 1:
            from deepsynth_tui.training.ranks.launcher import run_ranks

            return run_ranks(job, count, resume=given.resume)
        use_first_gpu_only()
        silence_libraries()
        return train(job, resume=given.resume)

    return run_job(run_path, body, explain=explain)


if __name__ == "__main__":
    sys.exit(main())
