"""The environment variables that a queued run keeps of the command that added it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

KEPT = re.compile(
    r"(HF|TRANSFORMERS|DATASETS|CUDA|PYTORCH|TORCH|NCCL|OMP|MKL|WANDB|TRACKIO|DEEPSYNTH)_\w+"
)
SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
DESCRIPTORS = re.compile(r"DEEPSYNTH_\w*LOCKS?")


def kept_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that change what a run does, without tokens.

    A queued run has the tokens of the process that starts the supervisor, and the login of the Hub.
    """
    return {
        name: value
        for name, value in environment.items()
        if KEPT.fullmatch(name) and not SECRET.search(name) and not DESCRIPTORS.fullmatch(name)
    }
