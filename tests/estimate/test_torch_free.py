"""What the screen imports of this room brings no heavy library with it."""

from __future__ import annotations

import subprocess
import sys

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.profiles.profile import save
from tests.estimate import models

HEAVY = {"torch", "transformers", "numpy", "peft", "bitsandbytes", "accelerate", "datasets", "PIL"}


MODULES = (
    "closed_form",
    "answer",
    "remedies",
    "ranks",
    "dataset_lengths",
    "profiles.profile",
    "profiles.asking",
    "profiles.towers",
    "profiles.images",
    "machine.gpus",
    "machine.devices",
    "machine.storage",
)


def loaded_by(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_imports_no_heavy_library():
    names = ", ".join(f"deepsynth_tui.estimate.{module}" for module in MODULES)
    assert not HEAVY & loaded_by(f"import {names}")


def test_a_cached_profile_and_its_estimate_load_none_either():
    save(models.shipped(TrainingConfig().model.name_or_path))
    code = (
        "from deepsynth_tui.config.training import TrainingConfig\n"
        "from deepsynth_tui.estimate.closed_form import estimate\n"
        "from deepsynth_tui.estimate.machine.gpus import catalogue\n"
        "from deepsynth_tui.estimate.profiles.asking import request\n"
        "profile = request(TrainingConfig().model.name_or_path)\n"
        "assert estimate(TrainingConfig(), profile, gpus=catalogue()).needed > 0"
    )
    assert not HEAVY & loaded_by(code)
