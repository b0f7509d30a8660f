"""The closed-form estimate: memory, fit, time and cost of a training configuration.

Pure functions of a configuration, model layouts and GPUs. Peak memory is the largest of five peak
candidates of a step: the vision tower, the loss (logits), the backward of one layer while all
others still hold their saved activations, the end of backward with all gradients, and the optimizer
step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import fits_without, is_automatic, with_checkpointing
from deepsynth_tui.estimate.memory.activations import ActivationMemory, Batch, activation_memory
from deepsynth_tui.estimate.memory.evaluation import evaluation_bytes
from deepsynth_tui.estimate.memory.fsdp import rank_loading_bytes, rank_weight_bytes
from deepsynth_tui.estimate.memory.optimizer import TrainableMemory, trainable_memory
from deepsynth_tui.estimate.memory.reserved import PeakCandidate, allocator_overhead, free_blocks
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.text_encoder import EncoderPart, text_encoder_memory
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.memory.vision import VisionMemory, vision_memory
from deepsynth_tui.estimate.page_features import (
    PageFeatures,
    TimeShares,
    encoding_bytes,
    feature_memory,
    page_features,
    page_work,
    released_bytes,
    time_shares,
    without_vision,
)
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
EVALUATION_PEAK = (
    "Evaluation in batches of {rows} takes more memory than training: "
    "training.per_device_eval_batch_size lowers it."
)
NO_RATIOS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class GpuEstimate:
    """The estimate for one GPU. `headroom` bytes are left, negative if the run does not fit.

    `device` is the memory that nvidia-smi would show, at most what the GPU has. `seconds_range`
    contains four of five published runs. `encoding_seconds` pass once, before the first step, if
    page features are cached. `cost` is in US dollars for the whole run, None if the price or the
    number of steps is unknown.
    """

    gpu: Gpu
    fit: Fit
    headroom: int
    device: int
    seconds_per_step: float
    seconds_range: tuple[float, float]
    cost: float | None
    encoding_seconds: float = 0.0

    def with_memory(self, needed: int, device: int) -> GpuEstimate:
        """Return the estimate of a run that needs `needed` bytes and would show `device` bytes."""
        usable = self.gpu.usable_bytes
        return replace(
            self, fit=self.gpu.fit(needed), headroom=usable - needed, device=min(device, usable)
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """The resources of a run. All memory is in bytes on one GPU.

    `breakdown` itemises the peak of training, with CUDA context and fragmentation as `overhead`.
    `peak_allocated` is PyTorch's ``max_memory_allocated``; `cached` is what the allocator reserves
    on top on a GPU with plenty of memory, where nvidia-smi would show `peak_device`.
    `peak_loading` is the peak while the model is loaded, and `peak_evaluation` that of evaluations,
    0 without; both with context. `adapted` are the full names of the modules and fused parameters
    with adapters. `page_features` are those that are cached, `feature_times` what that changes on
    the GPU of median speed.
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
    feature_times: TimeShares | None = None
    page_features: PageFeatures | None = None
    peak_evaluation: int = 0

    @property
    def needed(self) -> int:
        """Bytes that a GPU must have for this run."""
        return max(sum(self.breakdown.values()), self.peak_loading, self.peak_evaluation)

    def to_json(self) -> dict[str, Any]:
        """Return the estimate under the keys of ``deepsynth-tui estimate --json``. `_gb` is GiB."""
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
            "peak_evaluation_bytes": self.peak_evaluation,
            "breakdown_bytes": dict(self.breakdown),
            "tokens_per_sample": self.tokens_per_sample,
            "image_tokens": self.image_tokens,
            "steps": self.steps,
            "seconds_per_step": {row.gpu.name: row.seconds_per_step for row in self.gpus},
            "seconds_per_step_range": {row.gpu.name: list(row.seconds_range) for row in self.gpus},
            "encoding_seconds": {row.gpu.name: row.encoding_seconds for row in self.gpus},
            "page_features": asdict(self.page_features) if self.page_features else None,
            "cost": {row.gpu.name: row.cost for row in self.gpus},
            "source": self.source,
            "warnings": list(self.warnings),
        }


def estimate(
    config: TrainingConfig,
    layout: ModelLayout,
    *,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None = None,
    dataset: RowStatistics = UNKNOWN_ROWS,
    overhead: ProcessOverhead = PUBLISHED_OVERHEAD,
    step_time_ratios: Mapping[str, float] = NO_RATIOS,
    stack: StackVersion = INSTALLED,
) -> Estimate:
    """Estimate a run.

    With ``gradient_checkpointing: auto``, memory is that of a run with checkpointing, and each GPU
    that the run fits without has the figures of that run.

    Args:
        config: The training configuration.
        layout: Layout of ``model.name_or_path``.
        gpus: GPUs to give times and costs for.
        encoder: Layout of ``text_encoder.name_or_path``.
        dataset: Statistics of the rows. Without lengths every row has ``data.max_length`` tokens.
        overhead: Memory beyond the allocated tensors, as measured on this machine or published.
        step_time_ratios: Measured over predicted step times, by the name of a GPU.
        stack: Properties of the versions of transformers, PEFT and the trainer.
    """
    options = (gpus, encoder, dataset, overhead, step_time_ratios, stack)
    if not is_automatic(config):
        return _estimate(config, layout, *options)
    stored = _estimate(with_checkpointing(config, value=False), layout, *options)
    recomputed = _estimate(with_checkpointing(config, value=True), layout, *options)
    rows = tuple(
        without if fits_without(stored.needed, without.gpu.usable_bytes) else row
        for row, without in zip(recomputed.gpus, stored.gpus, strict=True)
    )
    return replace(recomputed, gpus=rows)


def _estimate(
    config: TrainingConfig,
    layout: ModelLayout,
    gpus: Sequence[Gpu],
    encoder: ModelLayout | None,
    dataset: RowStatistics,
    overhead: ProcessOverhead,
    step_time_ratios: Mapping[str, float],
    stack: StackVersion,
) -> Estimate:
    length = dataset.longest(config.data.max_length)
    batch = Batch(config.training.per_device_train_batch_size, length)
    trainable = count_trainable(config, layout)
    trained = trainable_memory(config, trainable)
    activations = activation_memory(config, layout, trainable, batch, stack)
    pixels = vision_memory(config, layout, trainable, dataset.page, length)
    padded = dataset.padded(batch.rows, config.data.max_length)
    # The largest possible page is assumed where it is unknown, not that rows have no answer.
    image_tokens = pixels.tokens if dataset.page else 0
    work = step_work(
        config,
        layout,
        trainable,
        length=padded,
        patches=pixels.patches,
        image_tokens=image_tokens,
        encoder=encoder,
    )
    times = time_shares(config, layout, work, pixels, _median_gpu(gpus))
    features = page_features(
        config,
        layout,
        trainable,
        image_tokens=pixels.tokens,
        rows=dataset.rows,
        times=times,
    )
    vision = pixels
    if features is not None:
        work = without_vision(config, layout, work, pixels)
        vision = feature_memory(features, pixels, batch.rows)
    text_encoder = text_encoder_memory(config, layout, encoder)
    constant: dict[MemoryItem, int] = {
        "weights": rank_weight_bytes(config, layout)
        - (released_bytes(config, layout) if features else 0),
        "adapters": trained.adapters,
        "optimizer": trained.optimizer_state,
        "text_encoder": text_encoder.total_bytes,
    }
    accumulates = config.training.gradient_accumulation_steps > 1
    accumulated_gradients = trained.gradients if accumulates else 0
    candidates = _peak_candidates(accumulated_gradients, trained, activations, vision)
    peak = max(candidates.values(), key=lambda items: sum(items.values()))
    peak_allocated = sum(constant.values()) + sum(peak.values())
    allocator = allocator_overhead(
        {name: sum(items.values()) for name, items in candidates.items()},
        trained,
        activations,
        vision,
        free_blocks(config, layout, trainable, batch, stack),
        accumulated_gradients=accumulated_gradients,
        checkpointing=bool(config.training.gradient_checkpointing),
        stack=stack,
    )
    sizes: dict[MemoryItem, int] = {
        **constant,
        **peak,
        "overhead": overhead.total(allocator.fragmentation),
    }
    breakdown: dict[MemoryItem, int] = {item: sizes[item] for item in MEMORY_ITEMS}
    peak_device = peak_allocated + overhead.total(allocator.cached)
    encoding = encoding_bytes(config, layout, trained.adapters, pixels) if features else 0
    peak_loading = max(rank_loading_bytes(config, layout), encoding) + overhead.context
    evaluation = evaluation_bytes(config, layout, trainable, dataset.page, length, stack)
    peak_evaluation = sum(constant.values()) + evaluation + overhead.context if evaluation else 0
    needed = max(sum(breakdown.values()), peak_loading, peak_evaluation)
    warnings = estimate_warnings(config, layout, encoder, trainable, dataset, length)
    if peak_evaluation == needed:
        warnings += (EVALUATION_PEAK.format(rows=config.training.per_device_eval_batch_size),)
    steps = total_steps(config, dataset.rows)
    return Estimate(
        breakdown=breakdown,
        peak_allocated=peak_allocated,
        cached=allocator.cached,
        peak_device=peak_device,
        peak_loading=peak_loading,
        trainable_params=trainable.total + text_encoder.trainable,
        trainable_by_tower={**trainable.by_tower, **text_encoder.by_part},
        adapted=tuple(trainable.targets),
        total_params=layout.total_params + text_encoder.parameters,
        tokens_per_sample=length,
        image_tokens=vision.tokens,
        steps=steps,
        speed_multiplier=_speed_multiplier(
            config, layout, work, padded, pixels.patches, image_tokens, gpus
        ),
        gpus=tuple(
            _gpu_estimate(
                gpu,
                needed,
                peak_device,
                step_time(work, gpu, step_time_ratios.get(gpu.name)),
                steps,
                config,
                _encoding_seconds(config, layout, features, pixels, gpu),
            )
            for gpu in gpus
        ),
        warnings=warnings,
        overhead=overhead,
        feature_times=times,
        page_features=features,
        peak_evaluation=peak_evaluation,
    )


def _encoding_seconds(
    config: TrainingConfig,
    layout: ModelLayout,
    features: PageFeatures | None,
    pixels: VisionMemory,
    gpu: Gpu,
) -> float:
    """Seconds to encode all pages once, on all GPUs of the run; 0 if their number is unknown."""
    if features is None or features.pages is None:
        return 0.0
    pages = features.pages / config.training.num_processes
    return pages * step_seconds(page_work(config, layout, pixels), gpu)


def _peak_candidates(
    accumulated_gradients: int,
    trained: TrainableMemory,
    activations: ActivationMemory,
    vision: VisionMemory,
) -> dict[PeakCandidate, dict[MemoryItem, int]]:
    """Bytes at each peak candidate, on top of those allocated throughout the step."""
    saved = activations.saved + vision.saved
    return {
        "vision": _items(accumulated_gradients, vision.saved + vision.workspace),
        "loss": _items(accumulated_gradients, saved, activations.logits),
        "layer": _items(accumulated_gradients, saved + activations.layer_backward),
        "last": _items(trained.gradients, activations.last_backward),
        "update": _items(trained.gradients, trained.optimizer_workspace),
    }


def _items(gradients: int, activations: int, logits: int = 0) -> dict[MemoryItem, int]:
    return {"gradients": gradients, "activations": activations, "logits": logits}


def _speed_multiplier(
    config: TrainingConfig,
    layout: ModelLayout,
    work: Work,
    length: float,
    patches: int,
    image_tokens: int,
    gpus: Sequence[Gpu],
) -> float:
    """Step time of full fine-tuning over that of `work`, on the GPU of median speed."""
    full = config.model_copy(
        update={
            "lora": config.lora.model_copy(update={"enabled": False}),
            "quantization": config.quantization.model_copy(update={"enabled": False}),
        }
    )
    full_work = step_work(
        full,
        layout,
        count_trainable(full, layout),
        length=length,
        patches=patches,
        image_tokens=image_tokens,
    )
    gpu = _median_gpu(gpus)
    if gpu is None:
        return full_work.matmul_flops / work.matmul_flops
    return step_seconds(full_work, gpu) / step_seconds(work, gpu)


def _median_gpu(gpus: Sequence[Gpu]) -> Gpu | None:
    """Return the GPU of median speed, None without GPUs."""
    by_speed = sorted(gpus, key=lambda gpu: gpu.tflops)
    return by_speed[len(gpus) // 2] if by_speed else None


def _gpu_estimate(
    gpu: Gpu,
    needed: int,
    device: int,
    step: StepTime,
    steps: int | None,
    config: TrainingConfig,
    encoding_seconds: float,
) -> GpuEstimate:
    cost = None
    if gpu.price_per_hour is not None and steps is not None:
        hours = (steps * step.seconds + encoding_seconds) / 3600
        cost = hours * gpu.price_per_hour * config.training.num_processes
    return GpuEstimate(
        gpu=gpu,
        fit=gpu.fit(needed),
        headroom=gpu.usable_bytes - needed,
        device=min(device, gpu.usable_bytes),
        seconds_per_step=step.seconds,
        seconds_range=(step.low, step.high),
        cost=cost,
        encoding_seconds=encoding_seconds,
    )
