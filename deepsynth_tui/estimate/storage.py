"""Disk and main memory that a run needs, and what is free on this machine."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.config.locations import home
from deepsynth_tui.config.preflight_report import nearest_existing_parent
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.adapter_file import adapter_file_bytes, adapter_tensors
from deepsynth_tui.estimate.memory.optimizer import trainable_memory
from deepsynth_tui.estimate.memory.text_encoder import text_encoder_memory
from deepsynth_tui.estimate.memory.trainable import TrainableParameters, count_trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.machine.main_memory import available_memory
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.towers import is_trained
from deepsynth_tui.units import GIB, format_bytes

# Tokenizer, processor and chat template, which every checkpoint contains. An assumption for models
# that are not local folders: `tokenizer.json` of Qwen3-VL has 11 MB.
PROCESSOR_BYTES = 12_000_000
# RNG state, scheduler, adapter config and model card of a checkpoint, and the entry of each logged
# step in `trainer_state.json`; measured with transformers 5.23.
SMALL_FILES_BYTES = 24_000
LOG_ENTRY_BYTES = 200
# Bytes of `optimizer.pt` per trained tensor beside its elements: entries of the archive, and code
# tables of quantized state. Measured with torch 2.13, transformers 5.23 and bitsandbytes 0.50.
STATE_ENTRY_BYTES: Mapping[str, int] = {
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
# Assumption: memory of the process before it loads a model. torch, transformers, PEFT and datasets
# take 0.5 GiB (measured); CUDA libraries and the pinned memory of batches take the rest.
PROCESS_BYTES = 3 * GIB
# Number of tensors that transformers loads concurrently
# (transformers/core_model_loading.py, `GLOBAL_WORKERS`).
CONCURRENT_TENSORS = 4


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes of a checkpoint, the most checkpoints that exist at once, and bytes of the result."""

    checkpoint: int
    checkpoints: int
    final: int

    @property
    def needed(self) -> int:
        """Peak bytes on disk."""
        return self.checkpoint * self.checkpoints + self.final


@dataclass(frozen=True, slots=True)
class HostMemoryEstimate:
    """Bytes of main memory that a run on a GPU needs to load the model and to save the result."""

    loading: int
    saving: int

    @property
    def needed(self) -> int:
        """The larger of the two."""
        return max(self.loading, self.saving)


@dataclass(frozen=True, slots=True)
class StorageEstimate:
    """Needed and free bytes of disk and main memory.

    `memory_free` is None where the system does not report it.
    """

    disk: DiskEstimate
    memory: HostMemoryEstimate
    path: Path
    disk_free: int
    memory_free: int | None

    @property
    def shortages(self) -> tuple[str, ...]:
        """A sentence for each of the two that does not suffice."""
        return tuple(self._shortages())

    def _shortages(self) -> Iterator[str]:
        if self.disk.needed > self.disk_free:
            yield (
                f"The run needs {format_bytes(self.disk.needed)} of disk, but only "
                f"{format_bytes(self.disk_free)} are free at {self.path}: free some, lower "
                "training.save_total_limit, or set output.dir to another disk."
            )
        if self.memory_free is not None and self.memory.needed > self.memory_free:
            yield (
                f"The run needs {format_bytes(self.memory.needed)} of main memory, but only "
                f"{format_bytes(self.memory_free)} are free: end other programs, or use a machine "
                "with more memory."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the estimate under the keys of ``estimate --json``."""
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
    layout: ModelLayout,
    *,
    steps: int | None,
    encoder: ModelLayout | None = None,
) -> StorageEstimate:
    """Estimate the storage of a run and read what is free now (a few small files)."""
    path = nearest_existing_parent(
        Path(config.output.dir).expanduser() if config.output.dir else home()
    )
    return StorageEstimate(
        disk=estimate_disk(
            config, layout, steps=steps, processor=processor_bytes(config), encoder=encoder
        ),
        memory=estimate_host_memory(config, layout),
        path=path,
        disk_free=shutil.disk_usage(path).free,
        memory_free=available_memory(),
    )


def estimate_disk(
    config: TrainingConfig,
    layout: ModelLayout,
    *,
    steps: int | None,
    processor: int,
    encoder: ModelLayout | None = None,
) -> DiskEstimate:
    """Estimate the disk space of a run.

    A checkpoint contains the trained weights (the whole model without LoRA, and the trained part of
    the text encoder), the optimizer state and the processor. While a checkpoint is written there is
    one more than ``save_total_limit``, and another if the best is kept. The last step is always
    saved.

    Args:
        config: The training configuration.
        layout: Layout of the model.
        steps: Number of optimizer steps, None if unknown.
        processor: Bytes of the processor's files.
        encoder: Layout of the text encoder.
    """
    training = config.training
    trainable = count_trainable(config, layout)
    text_encoder = text_encoder_memory(config, layout, encoder)
    trained = _trained_bytes(config, layout) + text_encoder.trained_bytes
    keeps_best = training.early_stopping_patience is not None
    most = max(training.save_total_limit, 2 if keeps_best else 1) + 1
    saves = most if steps is None else math.ceil(steps / training.save_steps)
    logged = (steps or 0) // training.logging_steps * LOG_ENTRY_BYTES
    state = _optimizer_file(config, layout, trainable) + text_encoder.optimizer_state
    return DiskEstimate(
        checkpoint=trained + state + processor + SMALL_FILES_BYTES + logged,
        checkpoints=min(most, saves),
        final=trained + processor,
    )


def estimate_host_memory(config: TrainingConfig, layout: ModelLayout) -> HostMemoryEstimate:
    """Estimate the main memory of a run on a GPU.

    Weights are loaded from memory-mapped files, a few tensors at a time. Saving copies the trained
    weights to main memory; an adapter is read back once to check its names.
    """
    width = DTYPE_BYTES[config.model.dtype]
    largest = max(group.elements for group in layout.weights)
    copies = 2 if config.lora.enabled else 1
    return HostMemoryEstimate(
        loading=PROCESS_BYTES + CONCURRENT_TENSORS * width * largest,
        saving=PROCESS_BYTES + copies * _trained_bytes(config, layout),
    )


def processor_bytes(config: TrainingConfig) -> int:
    """Bytes of the files beside the weights in the model's folder; assumed for a Hub id."""
    folder = Path(config.model.name_or_path).expanduser()
    if not folder.is_dir():
        return PROCESSOR_BYTES
    weights = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in weights)
    return sum(path.stat().st_size for path in files)


def _trained_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Bytes of the adapter, without LoRA of the whole model."""
    if config.lora.enabled:
        return adapter_file_bytes(config, layout)
    return DTYPE_BYTES[config.model.dtype] * layout.total_params


def _optimizer_file(
    config: TrainingConfig, layout: ModelLayout, trainable: TrainableParameters
) -> int:
    """Bytes of ``optimizer.pt``."""
    elements = trainable_memory(config, trainable).optimizer_state
    if config.lora.enabled:
        tensors = adapter_tensors(config) * len(trainable.targets)
    else:
        trained = (group for group in layout.weights if is_trained(group.tower, config.model))
        tensors = sum(group.count for group in trained)
    return elements + tensors * STATE_ENTRY_BYTES[config.training.optim]
