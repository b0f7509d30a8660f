"""FSDP on two GPUs: a quantized model trains alike with and without sharded layers."""

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


def test_a_shared_out_run_is_like_one_of_whole_models(home: Path, tmp_path: Path) -> None:
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
        made = create_run(home, kind="training", name=f"fsdp-{fsdp}", config_text=text)
        command = [sys.executable, "-m", "deepsynth_tui.training.job", str(made.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("layers are sharded" in done.stdout) == fsdp
        return Ran(made, 0)

    shared, whole = job(fsdp=True), job(fsdp=False)
    assert shared.losses == pytest.approx(whole.losses, rel=NEAR)
    assert shared.of("done")[-1].data["verification"]["reproduces"]
