"""Simulate a training step: build the model on fake tensors, run a step, read the tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch._subclasses import FakeTensorMode

from deepsynth_tui.models.image_tokens import page_views
from deepsynth_tui.training.features.tower import VisionTower
from deepsynth_tui.training.simulation.batch import (
    BatchShape,
    feature_inputs,
    image_inputs,
    text_inputs,
)
from deepsynth_tui.training.simulation.cuda_emulation import CudaEmulation
from deepsynth_tui.training.simulation.fake_tensors import TrackedFakeTensors
from deepsynth_tui.training.simulation.memory_tracker import Category, MemoryTracker
from deepsynth_tui.training.simulation.model import build_fake_model, quantization_states
from deepsynth_tui.training.simulation.step import make_optimizer, run_step

if TYPE_CHECKING:
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.row_statistics import RowStatistics
    from deepsynth_tui.models.hub_config import HubConfig
    from deepsynth_tui.models.layout import ImageDimensions


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Memory of a step in bytes: `allocated` at its peak, of that `by_category`.

    PyTorch's allocator takes `reserved` from a GPU with plenty of memory, and serves every
    allocation on a GPU with `min_capacity`.
    """

    allocated: int
    reserved: int
    min_capacity: int
    by_category: Mapping[Category, int]


def simulate_step(
    config: TrainingConfig,
    hub_config: HubConfig,
    image: ImageDimensions | None,
    dataset: RowStatistics,
    *,
    cached_features: bool = False,
) -> StepMemory:
    """Simulate one step of the run of `config` on its longest batch.

    With `cached_features`, the batch has features of its pages, and the weights of the vision tower
    that are not quantized are in main memory.
    """
    length = dataset.longest(config.data.max_length)
    views = page_views(dataset.page, image, config.model, length) if image else None
    if views is not None and views.tokens >= length:
        views = None  # the trainer refuses such a row; the estimate warns of it
    shape = BatchShape(
        config.training.per_device_train_batch_size,
        length,
        views,
        is_padded=not config.model.uses_flash_attention,
    )
    model_config = hub_config.config
    fake_mode = FakeTensorMode(allow_non_fake_inputs=True)
    model = build_fake_model(model_config, config, fake_mode)
    tracker = MemoryTracker(model_config.get_text_config().vocab_size)
    released = {id(p) for _, p in VisionTower(model).releasable()} if cached_features else set()
    for parameter in model.parameters():
        if id(parameter) in released:
            continue
        is_adapter = config.lora.enabled and parameter.requires_grad
        tracker.assign([parameter], "adapters" if is_adapter else "weights")
    tracker.assign(quantization_states(model), "weights")
    tracker.assign(model.buffers(), "weights")
    batch = text_inputs(shape, model_config)
    features: list[torch.Tensor] = []
    if image is not None and cached_features:
        dtype = _feature_dtype(config)
        more, features = feature_inputs(shape, image, model_config, fake_mode, dtype)
        batch |= more
    elif image is not None:
        batch |= image_inputs(shape, image, model_config, fake_mode)
    inputs = (value for value in batch.values() if isinstance(value, torch.Tensor))
    tracker.assign([*inputs, *features], "activations")
    optimizer = make_optimizer(model, config)
    with CudaEmulation(), TrackedFakeTensors(fake_mode, tracker):
        run_step(model, optimizer, batch, config, tracker)
    trace = tracker.trace
    return StepMemory(
        tracker.peak, trace.peak_reserved(), trace.min_capacity(), tracker.peak_by_category
    )


def _feature_dtype(config: TrainingConfig) -> torch.dtype:
    if config.training.bf16 or config.training.fp16:
        return torch.bfloat16 if config.training.bf16 else torch.float16
    return getattr(torch, config.model.dtype)
