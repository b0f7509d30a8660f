"""The instant estimate: memory, fit, time and cost of a training configuration.

Pure functions of (config, profiles, GPUs). The peak is the largest of five moments of a step:
the pages, the loss (logits), the backward of one layer while all others still hold what they kept,
the end of the backward with all gradients there, and the optimizer's step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.activations import ActivationMemory, Batch, activation_memory
from deepsynth_tui.estimate.memory.fsdp import rank_loading_bytes, rank_weight_bytes
from deepsynth_tui.estimate.memory.optimizer import TrainableMemory, trainable_memory
from deepsynth_tui.estimate.memory.reserved import PeakCandidate, allocator_overhead, free_blocks
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.text_encoder import EncoderPart, text_encoder_memory
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.memory.vision import VisionMemory, vision_memory
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.estimate.row_statistics import UNKNOWN_ROWS, RowStatistics
from deepsynth_tui.estimate.timing import StepTime, step_seconds, step_time, total_steps
from deepsynth_tui.estimate.warnings import estimate_warnings
from deepsynth_tui.estimate.work.step import step_work
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.towers import Tower, adapted_by_tower
from deepsynth_tui.units import GIB

MemoryItem = Literal[
    "weights",
    "adapters",
    "gradients",
    "optimizer",
    "activations",
    "logits",
    "text_encoder",
    "overhead",
]
MEMORY_ITEMS: tuple[MemoryItem, ...] = get_args(MemoryItem)
NO_RATIOS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class GpuEstimate:
    """One GPU's answer. `headroom` bytes left over, negative if it does not fit.

    `device` is what nvidia-smi shows on it if it fits: no more than there is.
    `seconds_range` is where four of five published runs lie around `seconds_per_step`.
    `cost` in US dollars for the whole run; None without a price or while the number of steps is
    not known.
    """

    gpu: Gpu
    fit: Fit
    headroom: int
    device: int
    seconds_per_step: float
    seconds_range: tuple[float, float]
    cost: float | None

    def with_memory(self, needed: int, device: int) -> GpuEstimate:
        """The same for a run that takes `needed` bytes, and shows `device` where there is room."""
        room = self.gpu.usable_bytes
        return replace(
            self, fit=self.gpu.fit(needed), headroom=room - needed, device=min(device, room)
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes. All memory in bytes on one GPU.

    `breakdown` is itemised at the peak of training, with the context and unavoidable holes as
    `overhead`; `peak_allocated` is PyTorch's ``max_memory_allocated`` of it, `cached` what its
    allocator takes on top of that where memory is plentiful, `peak_device` what nvidia-smi shows
    there. `peak_loading` is what loading the model takes, context included. `adapted` are the full
    names of the model's modules and fused parameters that get adapters.
    """

    breakdown: Mapping[MemoryItem, int]
    peak_allocated: int
    cached: int
    peak_device: int
    peak_loading: int
    trainable_params: int
    trainable_by_tower: Mapping[Tower | EncoderPart, int]
    adapted: tuple[str, ...]
    total_params: int
    tokens_per_sample: int
    image_tokens: int
    steps: int | None
    speed_multiplier: float
    gpus: tuple[GpuEstimate, ...]
    warnings: tuple[str, ...]
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD
    source: Literal["closed_form", "simulated", "measured"] = "closed_form"

    @property
    def needed(self) -> int:
        """Bytes a GPU must have for this run."""
        return max(sum(self.breakdown.values()), self.peak_loading)

    def to_json(self) -> dict[str, Any]:
        """The estimate under the keys of ``deepsynth-tui estimate --json``. `_gb` is 2^30."""
        return {
            "estimated_vram_gb": self.needed / GIB,
            "trainable_params": self.trainable_params,
            "trainable_params_millions": self.trainable_params / 1e6,
            "total_params": self.total_params,
            "trainable_by_tower": dict(self.trainable_by_tower),
            "adapted_by_tower": adapted_by_tower(self.adapted),
            "gpu_fit": {row.gpu.name: row.fit is not Fit.NO for row in self.gpus},
            "gpu_fit_word": {row.gpu.name: row.fit.value for row in self.gpus},
            "gpu_headroom_bytes": {row.gpu.name: row.headroom for row in self.gpus},
            "gpu_device_bytes": {row.gpu.name: row.device for row in self.gpus},
            "speed_multiplier": self.speed_multiplier,
            "peak_allocated_bytes": self.peak_allocated,
            "peak_device_bytes": self.peak_device,
            "peak_loading_bytes": self.peak_loading,
            "breakdown_bytes": dict(self.breakdown),
            "tokens_per_sample": self.tokens_per_sample,
            "image_tokens": self.image_tokens,
            "steps": self.steps,
            "seconds_per_step": {row.gpu.name: row.seconds_per_step for row in self.gpus},
            "seconds_per_step_range": {row.gpu.name: list(row.seconds_range) for row in self.gpus},
            "cost": {row.gpu.name: row.cost for row in self.gpus},
            "source": self.source,
            "warnings": list(self.warnings),
        }


def estimate(
    config: TrainingConfig,
    profile: ModelLayout,
    *,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None = None,
    dataset: RowStatistics = UNKNOWN_ROWS,
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD,
    step_time_ratios: Mapping[str, float] = NO_RATIOS,
    software: StackVersion = INSTALLED,
) -> Estimate:
    """Estimate a run.

    `encoder` is the profile of ``text_encoder.name_or_path``. Without lengths in `dataset` every
    row is taken to be as long as ``data.max_length`` allows. `step_time_ratios` are measured over predicted
    step times by the name of a GPU.
    """
    length = dataset.longest(config.data.max_length)
    batch = Batch(config.training.per_device_train_batch_size, length)
    trainable = count_trainable(config, profile)
    trained = trainable_memory(config, trainable)
    kept = activation_memory(config, profile, trainable, batch, software)
    images = vision_memory(config, profile, trainable, dataset.page, length)
    second = text_encoder_memory(config, profile, encoder)
    steady: dict[MemoryItem, int] = {
        "weights": rank_weight_bytes(config, profile),
        "adapters": trained.adapters,
        "optimizer": trained.states,
        "text_encoder": second.bytes,
    }
    carried = trained.gradients if config.training.gradient_accumulation_steps > 1 else 0
    moments = _moments(carried, trained, kept, images)
    moment = max(moments.values(), key=lambda items: sum(items.values()))
    peak_allocated = sum(steady.values()) + sum(moment.values())
    more = allocator_overhead(
        {name: sum(items.values()) for name, items in moments.items()},
        trained,
        kept,
        images,
        free_blocks(config, profile, trainable, batch, software),
        carried=carried,
        checkpointing=config.training.gradient_checkpointing,
        software=software,
    )
    sizes: dict[MemoryItem, int] = {**steady, **moment, "overhead": overhead.total(more.holes)}
    breakdown: dict[MemoryItem, int] = {item: sizes[item] for item in MEMORY_ITEMS}
    peak_device = peak_allocated + overhead.total(more.held)
    peak_loading = rank_loading_bytes(config, profile) + overhead.context
    needed = max(sum(breakdown.values()), peak_loading)
    steps = total_steps(config, dataset.rows)
    padded = dataset.padded(batch.rows, config.data.max_length)
    work = step_work(
        config, profile, trainable, length=padded, patches=images.patches, encoder=encoder
    )
    return Estimate(
        breakdown=breakdown,
        peak_allocated=peak_allocated,
        cached=more.held,
        peak_device=peak_device,
        peak_loading=peak_loading,
        trainable_params=trainable.total + second.trainable,
        trainable_by_tower={**trainable.by_tower, **second.by_part},
        adapted=tuple(trainable.targets),
        total_params=profile.total_params + second.parameters,
        tokens_per_sample=length,
        image_tokens=images.tokens,
        steps=steps,
        speed_multiplier=_speed_multiplier(config, profile, work, padded, images.patches, gpus),
        gpus=tuple(
            _on(
                gpu,
                needed,
                peak_device,
                step_time(work, gpu, step_time_ratios.get(gpu.name)),
                steps,
                config,
            )
            for gpu in gpus
        ),
        warnings=estimate_warnings(config, profile, encoder, trainable, dataset, length),
        overhead=overhead,
    )


def _moments(
    carried: int, trained: TrainableMemory, kept: ActivationMemory, images: VisionMemory
) -> dict[PeakCandidate, dict[MemoryItem, int]]:
    """Bytes beyond the steady state at each moment that can be the peak."""
    held = kept.kept + images.kept
    done = trained.gradients
    return {
        "vision": _moment(carried, images.kept + images.working),
        "loss": _moment(carried, held, kept.logits),
        "layer": _moment(carried, held + kept.layer),
        "last": _moment(done, kept.last),
        "update": _moment(done, trained.step),
    }


def _moment(gradients: int, activations: int, logits: int = 0) -> dict[MemoryItem, int]:
    return {"gradients": gradients, "activations": activations, "logits": logits}


def _speed_multiplier(
    config: TrainingConfig,
    profile: ModelLayout,
    work: Work,
    length: float,
    patches: int,
    gpus: Sequence[Gpu],
) -> float:
    """Step time of full fine-tuning over this configuration's, on the middle one of the GPUs."""
    full = config.model_copy(
        update={
            "lora": config.lora.model_copy(update={"enabled": False}),
            "quantization": config.quantization.model_copy(update={"enabled": False}),
        }
    )
    reference = step_work(
        full, profile, count_trainable(full, profile), length=length, patches=patches
    )
    if not gpus:
        return reference.matmul / work.matmul
    gpu = sorted(gpus, key=lambda candidate: candidate.tflops)[len(gpus) // 2]
    return step_seconds(reference, gpu) / step_seconds(work, gpu)


def _on(
    gpu: Gpu,
    needed: int,
    device: int,
    step: StepTime,
    steps: int | None,
    config: TrainingConfig,
) -> GpuEstimate:
    cost = None
    if gpu.price_per_hour is not None and steps is not None:
        cost = steps * step.seconds / 3600 * gpu.price_per_hour * config.training.num_processes
    return GpuEstimate(
        gpu=gpu,
        fit=gpu.fit(needed),
        headroom=gpu.usable_bytes - needed,
        device=min(device, gpu.usable_bytes),
        seconds_per_step=step.seconds,
        seconds_range=(step.low, step.high),
        cost=cost,
    )
