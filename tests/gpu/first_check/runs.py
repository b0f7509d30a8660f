"""Runs of the job for the checks: their configuration, and their events."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.fields import fields_by_key
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import Job, run_job
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.job import train
from tests.training import family_models, small_datasets, small_models
from tests.training.conftest import Ran, configuration

FAMILIES: Mapping[str, Callable[[Path], Path]] = {
    "deepseek_ocr2": small_models.document_model,
    "qwen3_vl": small_models.qwen3_vl,
    "qwen2_5_vl": family_models.qwen2_5_vl,
    "smolvlm": family_models.smolvlm,
    "llama": small_models.language_model,
}
STEPS, SAVED = 8, 4


def has_setting(key: str) -> bool:
    """Whether this version has the training setting `key`."""
    return key in fields_by_key(TrainingConfig)


def write_rows(folder: Path, *, count: int = 24, side: int = small_models.PAGE_SIDE) -> Path:
    """Write a dataset with pages of `side` pixels."""
    return small_datasets.write(folder, [small_datasets.row(n, side=side) for n in range(count)])


def config(model: Path, data: Path, **changes: Any) -> TrainingConfig:
    """Return the configuration of a short run; `changes` are dotted keys with __ for the dot."""
    values: dict[str, Any] = {
        "kind": "training",
        "name": "first-check",
        "model": {"name_or_path": str(model)},
        "lora": {"lora_dropout": 0.0},
        "data": {"path": str(data), "max_length": 8192},
        "training": {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "max_steps": STEPS,
            "save_steps": SAVED,
            "learning_rate": 0.01,
            "warmup_steps": 0,
        },
    }
    return configuration(values, **changes)


def quantized(bits: int) -> dict[str, Any]:
    """Return the changes that quantize to `bits`; none for 16."""
    return {"quantization__enabled": True, "quantization__bits": bits} if bits < 16 else {}


def create(home: Path, settings: TrainingConfig) -> RunDirectory:
    """Create a run in `home`."""
    text = yaml_text.dump(settings.model_dump())
    return create_run(home, kind="training", name="first-check", config_text=text)


def run_here(
    run: RunDirectory, *, resume: bool = False, body: Callable[[Job], str] | None = None
) -> Ran:
    """Run the job in this process."""
    steps = body or (lambda job: train(job, resume=resume))
    return Ran(run, run_job(run.path, steps, explain=explain))


def run_process(run: RunDirectory) -> Ran:
    """Run the job in a process of its own, as a user does."""
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    return Ran(run, done.returncode)
