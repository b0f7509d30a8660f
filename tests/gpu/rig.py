"""Training steps on synthetic rows of one length, measured and estimated.

Everything but the rows is that of a run: loading, quantization, adapters, the trainer with its
autocast, checkpointing and optimizer, the memory callback, the estimate.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.trainer_utils import SaveStrategy

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.row_statistics import RowStatistics
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.runs.directory import create_run
from deepsynth_tui.runs.estimate_vs_measured import Measured
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training.arguments import training_arguments
from deepsynth_tui.training.callbacks.memory_time import MemoryMeter, MemoryTimeCallback
from deepsynth_tui.training.data.collator import IGNORE_INDEX, ROW_IDS
from deepsynth_tui.training.estimate_record import RunEstimate, estimate_run
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.modeling import lora
from deepsynth_tui.training.modeling.gradient_checkpointing import enable_gradient_checkpointing
from deepsynth_tui.training.modeling.load import load_model
from deepsynth_tui.training.ranks.rank_group import RankGroup
from deepsynth_tui.training.trainer import DocumentTrainer
from tests.training import chat_tokenizer

STEPS = 4
LEFT = 64 << 20
"""Bytes that may stay allocated between cases: the workspaces of cuBLAS, 32 MiB each on Hopper."""


@dataclass(frozen=True, slots=True)
class Case:
    """A point of the grid. `bits` 0 is without quantization; pages are squares of `side` pixels,
    0 for text."""

    family: str
    bits: int
    checkpointing: bool
    rows: int
    length: int
    side: int = 0

    def __str__(self) -> str:
        weights = f"{self.bits}bit" if self.bits else "lora"
        kept = "checkpointed" if self.checkpointing else "kept"
        return f"{self.family}-{weights}-{self.rows}x{self.length}-{kept}"

    def config(self, folder: Path) -> TrainingConfig:
        """Return the configuration of this case for the checkpoint in `folder`."""
        return TrainingConfig.model_validate(
            {
                "model": {"name_or_path": str(folder)},
                "quantization": {"enabled": self.bits > 0, "bits": self.bits or 4},
                "data": {"path": "synthetic", "max_length": self.length},
                "training": {
                    "per_device_train_batch_size": self.rows,
                    "gradient_accumulation_steps": 1,
                    "gradient_checkpointing": self.checkpointing,
                    "max_steps": STEPS,
                },
            }
        )

    def row_statistics(self) -> RowStatistics:
        """Return the statistics of its rows."""
        page = PageSize(self.side, self.side) if self.side else None
        return RowStatistics(rows=self.rows * STEPS, lengths=(self.length,), page=page)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The estimate of a case and its measurements."""

    estimate: RunEstimate
    measured: Measured
    losses: Sequence[float]


class Rows(torch.utils.data.Dataset[int]):
    """Row numbers; the collator makes up the rows."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


class Collator:
    """Makes batches of the case's shape.

    The rows of a real batch differ in length, which decides the attention kernel: every second row
    is one token shorter and padded.
    """

    def __init__(self, case: Case, architecture: Any) -> None:
        self.case = case
        self.architecture = architecture

    def __call__(self, rows: Sequence[int]) -> dict[str, Any]:
        shape = (len(rows), self.case.length)
        text = self.architecture.get_text_config()
        ids = torch.randint(1, text.vocab_size // 2, shape)
        mask, kinds = torch.ones_like(ids), torch.zeros_like(ids)
        mask[1::2, -1] = 0
        labels = ids.masked_fill(mask == 0, IGNORE_INDEX)
        pages: dict[str, torch.Tensor] = {}
        if self.case.side:
            vision = self.architecture.vision_config
            side = self.case.side // vision.patch_size
            tokens = (side // vision.spatial_merge_size) ** 2
            image = slice(1, 1 + tokens)
            ids[:, image] = self.architecture.image_token_id
            labels[:, image], kinds[:, image] = IGNORE_INDEX, 1
            patch_values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
            pages = {
                "pixel_values": torch.randn(len(rows) * side * side, patch_values),
                "image_grid_thw": torch.tensor([[1, side, side]] * len(rows)),
                "mm_token_type_ids": kinds,
            }
        names = [f"row {row}" for row in rows]
        inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        return {**inputs, **pages, ROW_IDS: names}


def measure(case: Case, folder: Path, home: Path, meter: MemoryMeter) -> Outcome:
    """Train `STEPS` steps of `case` on the checkpoint in `folder`; the run goes to `home`."""
    config = case.config(folder)
    estimate = estimate_run(config, case.row_statistics())
    outcome: list[Outcome] = []

    def body(job: Job) -> str:
        memory_time = MemoryTimeCallback(job, meter)
        base = load_model(
            str(folder), AutoConfig.from_pretrained(folder), config, reads_images=case.side > 0
        )
        model = lora.add_adapters(base, config)
        if config.training.gradient_checkpointing:
            enable_gradient_checkpointing(model)
        arguments = training_arguments(config, checkpoints=job.run.checkpoints, evaluates=False)
        arguments.save_strategy = SaveStrategy.NO
        trainer = DocumentTrainer(
            model=model,
            args=arguments,
            train_dataset=Rows(case.rows * STEPS),
            data_collator=Collator(case, base.config),
            processor=chat_tokenizer.tokenizer(),
            ranks=RankGroup(),
            callbacks=[memory_time],
        )
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        outcome.append(Outcome(estimate, memory_time.measured(), losses))
        return "completed"

    run = create_run(home, kind="training", name=str(case), config_text="")
    if run_job(run.path, body, explain=explain):
        raise AssertionError(run.events.read_text())
    gc.collect()
    torch.cuda.empty_cache()  # leave only the CUDA context to the next case
    left = torch.cuda.memory_allocated()
    assert left <= LEFT, f"{case} left {left:,} bytes, which would count for the next case"
    return outcome[0]
