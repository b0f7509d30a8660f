"""A small checkpoint with the files that the trainer writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.result.checkpoint_checksums import write_checksums
from deepsynth_tui.training.result.checkpoint_record import CheckpointRecord

NUMBERS = 8192  # of each file: 32 KiB


def write_checkpoint(
    folder: Path,
    step: int,
    random_states: tuple[str, ...] = ("rng_state.pth",),
    *,
    best: int | None = None,
) -> Path:
    """Write `folder`/checkpoint-<step>, as an earlier version did: without checksums."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    save_file({"a": torch.ones(NUMBERS)}, path / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", *random_states):
        torch.save({"a": torch.ones(NUMBERS), "b": np.random.get_state()}, path / name)
    state = {
        "global_step": step,
        "best_model_checkpoint": f"/x/checkpoint-{best}" if best else None,
    }
    (path / "trainer_state.json").write_text(json.dumps(state))
    (path / "adapter_config.json").write_text(json.dumps({"target_modules": ["x"] * 2048}))
    return path


def write_whole_checkpoint(folder: Path, step: int, *, best: int | None = None) -> Path:
    """Write `folder`/checkpoint-<step> with its record and checksums."""
    path = write_checkpoint(folder, step, best=best)
    values = {"model": {"name_or_path": "m"}, "data": {"path": "d"}}
    CheckpointRecord(TrainingConfig.model_validate(values)).write(path)
    write_checksums(path)
    return path
