"""Disk and main memory that a run needs beside the GPU, against what this machine has left."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight import nearest_existing_parent
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.adapter_file import adapter_file_bytes, adapter_tensors
from deepsynth_tui.estimate.memory.optimizer import trainable_memory
from deepsynth_tui.estimate.memory.text_encoder import text_encoder_memory
from deepsynth_tui.estimate.memory.trainable import TrainableParameters, count_trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.towers import is_trained
from deepsynth_tui.units import GIB

# Tokenizer, processor and chat template, which every checkpoint holds anew. Assumption where the
# model is no folder here: `tokenizer.json` of Qwen3-VL has 11 MB.
PROCESSOR_BYTES = 12_000_000
# Random state, scheduler, adapter config and model card of one checkpoint, and what
# `trainer_state.json` says of each logged step; measured with transformers 5.23.
SMALL_FILES = 24_000
LOGGED_STEP = 200
# What `optimizer.pt` holds of one trained tensor beside its numbers: entries of the archive, and
# tables of quantised values. Measured with torch 2.13, transformers 5.23 and bitsandbytes 0.50.
STATE_ENTRIES: Mapping[str, int] = {
    "adamw_torch": 1200,
    "adamw_torch_fused": 1200,
    "paged_adamw_32bit": 900,
    "adamw_8bit": 2900,
    "paged_adamw_8bit": 2900,
    "lion_8bit": 1450,
    "adafactor": 900,
    "sgd": 0,
    "muon": 1200,
}
# Assumption: what the process holds before it loads a model. torch, transformers, PEFT and
# datasets take 0.5 GiB (measured); CUDA's libraries and the pinned memory of batches the rest.
PROCESS_BYTES = 3 * GIB
# transformers reads this many tensors at once on their way to the GPU
# (transformers/core_model_loading.py, `GLOBAL_WORKERS`).
READ_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes a run writes: `checkpoints` of them at most at once, and what it leaves in the end."""

    checkpoint: int
    checkpoints: int
    final: int

    @property
    def needed(self) -> int:
        """Bytes on disk at the fullest moment."""
        return self.checkpoint * self.checkpoints + self.final


@dataclass(frozen=True, slots=True)
class HostMemoryEstimate:
    """Bytes of main memory that a run on a GPU needs while it loads, and while it saves."""

    loading: int
    saving: int

    @property
    def needed(self) -> int:
        """The larger of the two."""
        return max(self.loading, self.saving)


@dataclass(frozen=True, slots=True)
class StorageEstimate:
    """What is needed and what is free, in bytes; `memory_free` is None where nothing tells it."""

    disk: DiskEstimate
    memory: HostMemoryEstimate
    place: Path
    disk_free: int
    memory_free: int | None

    @property
    def shortages(self) -> tuple[str, ...]:
        """A sentence for each of the two that is short."""
        return tuple(self._short())

    def _short(self) -> Iterator[str]:
        if self.disk.needed > self.disk_free:
            yield (
                f"The run needs {self.disk.needed / GIB:.1f} GB of disk, but the disk of "
                f"{self.place} has {self.disk_free / GIB:.1f} GB free: free some, lower "
                "training.save_total_limit, or set output.dir to another disk."
            )
        if self.memory_free is not None and self.memory.needed > self.memory_free:
            yield (
                f"The run needs {self.memory.needed / GIB:.1f} GB of main memory, but "
                f"{self.memory_free / GIB:.1f} GB are free: end other programs, or choose a "
                "machine with more."
            )

    def to_json(self) -> dict[str, Any]:
        """The figures under the keys of ``estimate --json``."""
        return {
            "checkpoint_bytes": self.disk.checkpoint,
            "checkpoints": self.disk.checkpoints,
            "final_bytes": self.disk.final,
            "disk_needed_bytes": self.disk.needed,
            "disk_free_bytes": self.disk_free,
            "loading_memory_bytes": self.memory.loading,
            "saving_memory_bytes": self.memory.saving,
            "memory_free_bytes": self.memory_free,
        }


def estimate_storage(
    config: TrainingConfig,
    profile: ModelLayout,
    *,
    steps: int | None,
    encoder: ModelLayout | None = None,
) -> StorageEstimate:
    """Compare what a run needs with what is free now. Reads a few small files."""
    place = nearest_existing_parent(
        Path(config.output.dir).expanduser() if config.output.dir else home()
    )
    return StorageEstimate(
        disk=estimate_disk(
            config, profile, steps=steps, processor=processor_bytes(config), encoder=encoder
        ),
        memory=estimate_host_memory(config, profile),
        place=place,
        disk_free=shutil.disk_usage(place).free,
        memory_free=available_memory(),
    )


def estimate_disk(
    config: TrainingConfig,
    profile: ModelLayout,
    *,
    steps: int | None,
    processor: int,
    encoder: ModelLayout | None = None,
) -> DiskEstimate:
    """Disk for a run of `steps` optimizer steps (None: many) with a processor of that size.

    A checkpoint is what is trained (the whole model where LoRA is off, and what learns of the text
    encoder), the optimizer's state and the processor. One more than ``save_total_limit`` is there
    while it is written, and one more than that where the best is kept apart; the last step is
    always saved.
    """
    training = config.training
    trainable = count_trainable(config, profile)
    second = text_encoder_memory(config, profile, encoder)
    trained = _trained_bytes(config, profile) + second.saved
    keeps_best = training.early_stopping_patience is not None
    most = max(training.save_total_limit, 2 if keeps_best else 1) + 1
    saves = most if steps is None else math.ceil(steps / training.save_steps)
    logged = (steps or 0) // training.logging_steps * LOGGED_STEP
    state = _optimizer_file(config, profile, trainable) + second.states
    return DiskEstimate(
        checkpoint=trained + state + processor + SMALL_FILES + logged,
        checkpoints=min(most, saves),
        final=trained + processor,
    )


def estimate_host_memory(config: TrainingConfig, profile: ModelLayout) -> HostMemoryEstimate:
    """Main memory of a run on a GPU.

    Weights are read from mapped files, a few tensors at once. Saving brings all that is trained
    to main memory; an adapter is read back once to check its names.
    """
    width = DTYPE_BYTES[config.model.dtype]
    largest = max(group.elements for group in profile.weights)
    copies = 2 if config.lora.enabled else 1
    return HostMemoryEstimate(
        loading=PROCESS_BYTES + READ_AT_ONCE * width * largest,
        saving=PROCESS_BYTES + copies * _trained_bytes(config, profile),
    )


def processor_bytes(config: TrainingConfig) -> int:
    """Bytes of the files beside the weights of the model's folder; assumed where it is none."""
    folder = Path(config.model.name_or_path).expanduser()
    if not folder.is_dir():
        return PROCESSOR_BYTES
    weights = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in weights)
    return sum(path.stat().st_size for path in files)


def available_memory(
    proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Bytes of main memory that a new process can have, None where the system does not say.

    What the kernel calls available (proc(5), ``MemAvailable``), or less where a control group, as
    of a container, leaves less: its limit minus its use, file cache not counted.
    """
    meminfo = proc / "meminfo"
    if not meminfo.is_file():
        return None
    figures = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    available = 1024 * int(figures["MemAvailable"].split()[0])
    return max(0, min([available, *_left_by_groups(proc, cgroups)]))


def _left_by_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """What each control group above this process leaves of its limit (version 2, then 1)."""
    named = proc / "self" / "cgroup"
    lines = named.read_text().splitlines() if named.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = cgroups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / path.strip("/")
        # In a container the path may be the host's; its own group is then the root.
        for folder in (group, *group.parents):
            yield from _left_by(folder, *names)
            if folder == root:
                break


def _left_by(folder: Path, limit: str, usage: str, cache: str) -> Iterator[int]:
    files = (folder / limit, folder / usage, folder / "memory.stat")
    if not all(file.is_file() for file in files):
        return
    allowed, used, stat = (file.read_text() for file in files)
    if allowed.strip() != "max":
        cached = dict(line.split(" ", 1) for line in stat.splitlines()).get(cache, "0")
        yield int(allowed) - int(used) + int(cached)


def _trained_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """The adapter, or the whole model where there is none."""
    if config.lora.enabled:
        return adapter_file_bytes(config, profile)
    return DTYPE_BYTES[config.model.dtype] * profile.total_params


def _optimizer_file(
    config: TrainingConfig, profile: ModelLayout, trainable: TrainableParameters
) -> int:
    """Bytes of ``optimizer.pt``."""
    numbers = trainable_memory(config, trainable).states
    if config.lora.enabled:
        tensors = adapter_tensors(config) * len(trainable.targets)
    else:
        trained = (group for group in profile.weights if is_trained(group.tower, config.model))
        tensors = sum(group.count for group in trained)
    return numbers + tensors * STATE_ENTRIES[config.training.optim]
