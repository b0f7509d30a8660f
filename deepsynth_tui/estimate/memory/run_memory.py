"""GPU memory of a run: the peak of a training step, of loading, and of evaluations.

The peak of a step is the largest of five candidates: the vision tower, the loss (logits), the
backward of one layer while all others still hold their saved activations, the end of backward with
all gradients, and the optimizer step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.activations import ActivationMemory, Batch, activation_memory
from deepsynth_tui.estimate.memory.evaluation import evaluation_bytes
from deepsynth_tui.estimate.memory.fsdp import rank_loading_bytes, rank_weight_bytes
from deepsynth_tui.estimate.memory.optimizer import TrainableMemory, trainable_memory
from deepsynth_tui.estimate.memory.reserved import PeakCandidate, free_blocks, reserved_memory
from deepsynth_tui.estimate.memory.stack_version import StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.vision import VisionMemory
from deepsynth_tui.estimate.page_features import (
    PageFeatures,
    encoding_bytes,
    feature_memory,
    released_bytes,
)
from deepsynth_tui.estimate.process_overhead import ProcessOverhead
from deepsynth_tui.models.image_tokens import PageSize
from deepsynth_tui.models.layout import ModelLayout

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


@dataclass(frozen=True, slots=True)
class RunMemory:
    """Bytes on one GPU.

    `breakdown` itemises the peak of a step, with CUDA context and fragmentation as `overhead`;
    `allocated` is that peak without the overhead. `cached` is reserved on top of it on a GPU with
    plenty of memory, where nvidia-smi would show `device`. `loading` and `evaluation` (0 without)
    are the peaks of these phases, with context.
    """

    breakdown: Mapping[MemoryItem, int]
    allocated: int
    cached: int
    device: int
    loading: int
    evaluation: int

    @property
    def needed(self) -> int:
        """Bytes that a GPU must have."""
        return max(sum(self.breakdown.values()), self.loading, self.evaluation)


def run_memory(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    *,
    length: int,
    page: PageSize | None,
    pixels: VisionMemory,
    features: PageFeatures | None,
    text_encoder: int,
    overhead: ProcessOverhead,
    stack: StackVersion,
) -> RunMemory:
    """Return the memory of a run.

    Args:
        config: The training configuration.
        layout: Layout of the model.
        trainable: Its trainable parameters.
        length: Tokens of the longest row.
        page: Size of a page, None if unknown.
        pixels: Memory of the vision tower for the pages of a micro-batch.
        features: Page features that are cached, in place of pixels.
        text_encoder: Bytes of the text encoder.
        overhead: Memory of the process beyond its tensors.
        stack: Properties of the versions of transformers, PEFT and the trainer.
    """
    batch = Batch(config.training.per_device_train_batch_size, length)
    trained = trainable_memory(config, trainable)
    activations = activation_memory(config, layout, trainable, batch, stack)
    vision = feature_memory(features, pixels, batch.rows) if features else pixels
    released = released_bytes(config, layout) if features else 0
    constant: dict[MemoryItem, int] = {
        "weights": rank_weight_bytes(config, layout) - released,
        "adapters": trained.adapters,
        "optimizer": trained.optimizer_state,
        "text_encoder": text_encoder,
    }
    accumulates = config.training.gradient_accumulation_steps > 1
    accumulated_gradients = trained.gradients if accumulates else 0
    candidates = _peak_candidates(accumulated_gradients, trained, activations, vision)
    peak = max(candidates.values(), key=lambda items: sum(items.values()))
    peak_bytes = sum(peak.values())
    allocated = sum(constant.values()) + peak_bytes
    step = reserved_memory(
        {name: sum(items.values()) for name, items in candidates.items()},
        trained,
        activations,
        vision,
        free_blocks(config, layout, trainable, batch, stack),
        accumulated_gradients=accumulated_gradients,
        checkpointing=bool(config.training.gradient_checkpointing),
        stack=stack,
    )
    cached = step.reserved - peak_bytes
    sizes: dict[MemoryItem, int] = {
        **constant,
        **peak,
        "overhead": overhead.total(step.least - peak_bytes),
    }
    encoding = encoding_bytes(config, layout, trained.adapters, pixels) if features else 0
    evaluation = evaluation_bytes(config, layout, trainable, page, length, stack)
    return RunMemory(
        breakdown={item: sizes[item] for item in MEMORY_ITEMS},
        allocated=allocated,
        cached=cached,
        device=allocated + overhead.total(cached),
        loading=max(rank_loading_bytes(config, layout), encoding) + overhead.context,
        evaluation=sum(constant.values()) + evaluation + overhead.context if evaluation else 0,
    )


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
