"""Write a training configuration as a task of SkyPilot. Nothing here runs SkyPilot."""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui import builtin
from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.launch import LaunchSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.errors import UserError
from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.estimate.resources import Estimate
from deepsynth_tui.estimate.storage import estimate_storage
from deepsynth_tui.units import GIB
from deepsynth_tui.workflows.estimate import gather_inputs
from deepsynth_tui.workflows.skypilot.copied_files import CopiedFiles, with_copied_files
from deepsynth_tui.workflows.skypilot.gpu_candidates import gpu_candidates
from deepsynth_tui.workflows.skypilot.installed_program import InstalledProgram, installed_program
from deepsynth_tui.workflows.skypilot.task import Task, task_name, task_text

SYSTEM_GIB = 100
"""Assumption: system, driver, PyTorch with CUDA and the caches of packages."""
RUN_FOLDERS = 2
"""The run folder, and what SkyPilot caches of its copy until it is in the bucket."""


@dataclass(frozen=True, slots=True)
class SkypilotExport:
    """The file that was written, the GPUs it asks for, and what a user must know of it."""

    path: Path
    accelerators: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `export --to skypilot --json` prints."""
        return {
            "path": str(self.path),
            "accelerators": list(self.accelerators),
            "notes": list(self.notes),
        }


def export_task(
    config: TrainingConfig, source: Path, output: Path, *, bucket: str | None = None
) -> SkypilotExport:
    """Write the task of `config`, which was read from `source`, to the new file `output`.

    `bucket` is the name of a bucket that SkyPilot creates, or the URL of an existing one.

    Raises:
        UserError: the run fits no GPU, a file that it needs is missing, a setting has no
            counterpart, or `output` exists.
        CatalogueError: the user's GPU catalogue cannot be read.
    """
    if output.exists():
        raise UserError(f"{output} already exists", "Choose another file, or remove it.")
    if config.launch.nodes > 1:
        raise UserError(
            f"launch.nodes: {config.launch.nodes} nodes of SkyPilot share no disk, which a run on "
            "several nodes needs",
            "Set launch.nodes to 1; training.num_processes may be all GPUs of a machine.",
            "launch.nodes",
        )
    task = make_task(
        config, gather_inputs(config), installed_program(), source=source, bucket=bucket
    )
    try:
        output.write_text(task_text(task), encoding="utf-8")
    except OSError as error:
        raise UserError(f"Cannot write {output}: {error.strerror or error}") from error
    return SkypilotExport(output, tuple(gpu.accelerator for gpu in task.gpus), task.notes)


def make_task(
    config: TrainingConfig,
    inputs: EstimateInputs,
    program: InstalledProgram,
    *,
    source: Path,
    bucket: str | None = None,
) -> Task:
    """Return the task of `config`. Raises UserError."""
    estimate = inputs.estimate(config)
    candidates = gpu_candidates(config, estimate)
    copied = CopiedFiles()
    remote = with_copied_files(config, copied)
    remote = remote.model_copy(
        update={
            "launch": LaunchSettings(),
            "output": remote.output.model_copy(update={"dir": None}),
        }
    )
    storage = estimate_storage(config, inputs.layout, steps=estimate.steps, encoder=inputs.encoder)
    disk = (
        RUN_FOLDERS * storage.disk.needed
        + copied.bytes
        + _downloaded_bytes(remote, inputs)
        + _feature_bytes(estimate)
    )
    name = task_name(config.name)
    return Task(
        name=name,
        source=source,
        config=yaml_text.dump(remote.model_dump()),
        gpus=candidates.gpus,
        memory_gib=math.ceil(config.training.num_processes * storage.memory.needed / GIB),
        disk_gib=SYSTEM_GIB + math.ceil(disk / GIB),
        secrets=dict(_secrets(config)),
        files=copied.remote,
        bucket=bucket or f"deepsynth-{name}-{_user_hash()}",
        program=program,
        packages=tuple(_packages(config)),
        notes=(*candidates.notes, *copied.notes, *_not_taken_over(config)),
    )


def _secrets(config: TrainingConfig) -> Iterator[tuple[str, str | None]]:
    """Yield the names, with None where the run cannot do without, and "" where it may."""
    yield "HF_TOKEN", None if config.output.push_to_hub else ""
    if config.training.report_to == "wandb":
        yield "WANDB_API_KEY", None


def _packages(config: TrainingConfig) -> Iterator[str]:
    """Yield the packages that the settings need and that the program does not depend on."""
    if config.training.report_to != "none":
        yield config.training.report_to
    if config.training.use_liger_kernel:
        yield "liger-kernel"
    if "/" in config.model.attn_implementation:
        yield "kernels"


def _not_taken_over(config: TrainingConfig) -> Iterator[str]:
    """Say which settings have no counterpart in the task."""
    launch, defaults = config.launch, LaunchSettings()
    changed = [
        f"launch.{name}"
        for name in LaunchSettings.model_fields
        if getattr(launch, name) != getattr(defaults, name)
    ]
    if config.output.dir:
        changed.append("output.dir")
    if changed:
        yield f"not taken over: {', '.join(changed)}"
    attention = config.model.attn_implementation
    if attention.startswith("flash_attention"):
        yield f"{attention} needs a package of its own: add its installation to setup"


def _downloaded_bytes(config: TrainingConfig, inputs: EstimateInputs) -> int:
    """Return the bytes of the weights that come from the Hub, in the dtype of the model."""
    here = (builtin.PREFIX, "./")
    parameters = 0
    if not config.model.name_or_path.startswith(here):
        parameters += inputs.layout.total_params
    if inputs.encoder is not None and not config.text_encoder.name_or_path.startswith(here):
        parameters += inputs.encoder.total_params
    return DTYPE_BYTES[config.model.dtype] * parameters


def _feature_bytes(estimate: Estimate) -> int:
    features = estimate.page_features
    return features.disk or 0 if features else 0


def _user_hash() -> str:
    """Return what tells the buckets of people apart: their names are the same for everybody."""
    return hashlib.sha256(f"{Path.home()}@{platform.node()}".encode()).hexdigest()[:8]
