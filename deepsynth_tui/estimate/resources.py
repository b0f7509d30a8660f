"""The resources of a training run: memory, fit, time and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from deepsynth_tui.estimate.memory.run_memory import MemoryItem
from deepsynth_tui.estimate.memory.text_encoder import EncoderPart
from deepsynth_tui.estimate.page_features import PageFeatures, TimeShares
from deepsynth_tui.estimate.process_overhead import PUBLISHED_OVERHEAD, ProcessOverhead
from deepsynth_tui.machine.gpu_catalogue import Fit, Gpu
from deepsynth_tui.models.towers import Tower, adapted_by_tower
from deepsynth_tui.units import GIB


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
