"""What the screen imports of this room brings no heavy library with it."""

from __future__ import annotations

import subprocess
import sys

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import save_layout
from tests.estimate import models

HEAVY = {"torch", "transformers", "numpy", "peft", "bitsandbytes", "accelerate", "datasets", "PIL"}


MODULES = (
    "estimate.closed_form",
    "estimate.report",
    "estimate.fixes",
    "estimate.ranks",
    "estimate.storage",
    "models.layout",
    "models.layout_client",
    "models.towers",
    "models.image_tokens",
    "machine.gpu_catalogue",
    "machine.nvml",
    "training.data.lengths_client",
    "training.simulation.client",
    "training.xray.client",
    "training.init_adapter",
    "workflows.estimate",
    "workflows.extend",
    "workflows.preflight",
    "workflows.resume",
    "workflows.retry",
    "workflows.start",
)


def loaded_by(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_imports_no_heavy_library():
    names = ", ".join(f"deepsynth_tui.{module}" for module in MODULES)
    assert not HEAVY & loaded_by(f"import {names}")


def test_a_cached_profile_and_its_estimate_load_none_either():
    save_layout(models.shipped(TrainingConfig().model.name_or_path))
    code = (
        "from deepsynth_tui.config.training import TrainingConfig\n"
        "from deepsynth_tui.estimate.closed_form import estimate\n"
        "from deepsynth_tui.machine.gpu_catalogue import load_catalogue\n"
        "from deepsynth_tui.models.layout_client import request_layout\n"
        "profile = request_layout(TrainingConfig().model.name_or_path)\n"
        "assert estimate(TrainingConfig(), profile, gpus=load_catalogue()).needed > 0"
    )
    assert not HEAVY & loaded_by(code)
