"""FSDP on two GPUs: a quantized model has the same losses with and without sharded layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.config import yaml_text
from deepsynth_tui.runs.directory import create_run
from tests.training import small_datasets, small_models
from tests.training.conftest import Ran, configuration

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices"),
]

NEAR = 0.02
"""Relative tolerance of losses: bfloat16 kernels sum in varying order."""


def test_sharded_and_whole_models_have_the_same_losses(home: Path, tmp_path: Path) -> None:
    folder = small_models.vision_model(tmp_path / "model")
    rows = [small_datasets.row(number) for number in range(20)]
    values: dict[str, Any] = {
        "kind": "training",
        "model": {"name_or_path": str(folder)},
        "lora": {"lora_dropout": 0.0},
        "quantization": {"enabled": True, "quant_storage": "bfloat16"},
        "data": {"path": str(small_datasets.write(tmp_path / "data", rows)), "max_length": 256},
        "training": {
            "num_processes": 2,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "max_steps": 8,
            "learning_rate": 0.01,
            "save_steps": 4,
        },
    }

    def job(*, fsdp: bool) -> Ran:
        text = yaml_text.dump(configuration(values, training__fsdp=fsdp).model_dump())
        run = create_run(home, kind="training", name=f"fsdp-{fsdp}", config_text=text)
        command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("layers are sharded" in done.stdout) == fsdp
        return Ran(run, 0)

    sharded, whole = job(fsdp=True), job(fsdp=False)
    assert sharded.losses == pytest.approx(whole.losses, rel=NEAR)
    assert sharded.of("done")[-1].data["verification"]["reproduces"]
