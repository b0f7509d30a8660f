"""Whole jobs on a CUDA device: each weight format, a resume, and running out of memory."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deepsynth_tui.config import yaml_text
from deepsynth_tui.estimate.fixes import Fix
from deepsynth_tui.runs.directory import RunDirectory, create_run
from deepsynth_tui.runs.job import run_job
from deepsynth_tui.training.estimate_record import RunEstimate
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.job import train
from deepsynth_tui.workflows import follow, retry
from tests.training import family_models, small_datasets, small_models
from tests.training.conftest import Ran, configuration

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

MODELS = {
    "qwen3_vl": small_models.qwen3_vl,
    "qwen2_5_vl": family_models.qwen2_5_vl,
    "smolvlm": family_models.smolvlm,
    "deepseek_ocr2": small_models.document_model,  # with fused experts, which are quantized too
}
STEPS, SAVED = 8, 4
NEAR = 0.02
"""Relative tolerance of losses: bfloat16 kernels sum in varying order."""
TOO_MANY = 512  # rows per batch
SMALLER = {"training.per_device_train_batch_size": 1}


@pytest.fixture
def job(home: Path, tmp_path: Path) -> Callable[..., RunDirectory]:
    """Make a run of a model: `job(model, key__of__config=value, ...)`."""
    rows = [small_datasets.row(number) for number in range(TOO_MANY)]
    data = small_datasets.write(tmp_path / "data", rows)

    def make(model: str, **changes: Any) -> RunDirectory:
        folder = tmp_path / model
        values: dict[str, Any] = {
            "kind": "training",
            "model": {"name_or_path": str(folder if folder.is_dir() else MODELS[model](folder))},
            "lora": {"lora_dropout": 0.0},
            "data": {"path": str(data), "max_length": 512},
            "training": {
                "per_device_train_batch_size": 2,
                "gradient_accumulation_steps": 1,
                "max_steps": STEPS,
                "save_steps": SAVED,
                "learning_rate": 0.01,
                "warmup_steps": 0,
            },
        }
        text = yaml_text.dump(configuration(values, **changes).model_dump())
        return create_run(home, kind="training", name=model, config_text=text)

    return make


def run_job_process(run: RunDirectory, *arguments: str) -> Ran:
    """Run the job in a process of its own."""
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Ran(run, 0)


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("bits", [0, 4, 8])
@pytest.mark.parametrize("model", MODELS)
def test_losses_fall_and_the_saved_adapter_is_verified(
    job: Callable[..., RunDirectory], model: str, bits: int, checkpointing: bool
) -> None:
    run = job(
        model,
        quantization__enabled=bits > 0,
        quantization__bits=bits or 4,
        training__gradient_checkpointing=checkpointing,
    )
    ran = run_job_process(run)
    assert ran.verdict == "completed"
    assert all(map(math.isfinite, ran.losses))
    assert ran.losses[-1] < ran.losses[0]
    verified = ran.of("done")[-1].data["verification"]
    assert verified["reproduces"]
    assert verified["changes_the_base"]
    assert ran.of("memory")[-1].data["allocated"] > 0


def test_a_resumed_run_continues_the_curve(
    job: Callable[..., RunDirectory],
) -> None:
    whole = run_job_process(job("qwen3_vl"))
    run = job("qwen3_vl")
    command = [sys.executable, "-m", "deepsynth_tui.training.job", str(run.path)]
    with subprocess.Popen(command) as process:
        while f'"step":{SAVED + 1},' not in _events(run):
            assert process.poll() is None, "it ended before it was killed"
        process.kill()
    resumed = run_job_process(run, "--resume")
    assert resumed.losses[-(STEPS - SAVED) :] == pytest.approx(whole.losses[SAVED:], rel=NEAR)


def test_out_of_memory_is_explained_and_retried_with_smaller_batches(
    job: Callable[..., RunDirectory], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a tenth of a percent of the device is available."""
    fix = Fix(SMALLER, "1 row at once", "the result stays the same", 2**28, 0, None)
    monkeypatch.setattr(RunEstimate, "cheapest_fix", lambda self: fix)
    run = job("qwen3_vl", training__per_device_train_batch_size=TOO_MANY)
    torch.cuda.set_per_process_memory_fraction(0.001)
    try:
        assert run_job(run.path, lambda job: train(job, resume=False), explain=explain)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    error = Ran(run, 1).of("error")[-1].data
    assert error["class"] == "OutOfMemoryError"
    assert error["changes"] == SMALLER
    again = retry.start(home, retry.plan(run))
    lines: list[str] = []
    assert follow.follow_until_end(again, lines.append) == 0, lines


def _events(run: RunDirectory) -> str:
    return run.events.read_text() if run.events.is_file() else ""
