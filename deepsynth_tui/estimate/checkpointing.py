"""Gradient checkpointing: what is recomputed and offloaded, and whether a run fits without."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.vision_layers import layers_before

MARGIN = 0.9
"""A run fits without gradient checkpointing if it needs at most this share of the memory: the
estimate may be too low, and a run that is out of memory is worse than a slower one."""


def is_automatic(config: TrainingConfig) -> bool:
    """Whether the run decides on gradient checkpointing itself."""
    return config.training.gradient_checkpointing == "auto"


def is_offloaded(config: TrainingConfig) -> bool:
    """Whether the inputs of recomputed layers are kept in main memory."""
    return config.training.gradient_checkpointing == "offloaded"


def offloaded_bytes(config: TrainingConfig, layout: ModelLayout, tokens: float) -> float:
    """Bytes of a micro-batch of `tokens` that are kept in main memory until its backward pass."""
    if not is_offloaded(config):
        return 0
    text = layout.text
    width = 4 if config.model.dtype == "float32" else 2
    recomputed = recomputed_layers(config, text.layers, layers_before(layout)["language"])
    return width * text.hidden * tokens * len(recomputed)


def with_checkpointing(config: TrainingConfig, value: bool) -> TrainingConfig:
    """Return the configuration with gradient checkpointing on or off."""
    training = config.training.model_copy(update={"gradient_checkpointing": value})
    return config.model_copy(update={"training": training})


def decided_variants(config: TrainingConfig) -> tuple[TrainingConfig, ...]:
    """Return the configurations that a run may decide on; one unless it decides itself."""
    if not is_automatic(config):
        return (config,)
    return tuple(with_checkpointing(config, value) for value in (False, True))


def fits_without(needed: int, available: int) -> bool:
    """Whether a run that needs `needed` bytes without gradient checkpointing may do without."""
    return needed <= MARGIN * available


def recomputed_layers(config: TrainingConfig, layers: int, first: int = 0) -> tuple[int, ...]:
    """Return the indices of the layers of a stack whose activations are recomputed.

    transformers counts the layers of all stacks on: `first` is the number of those before this
    stack (``modeling_utils.py``, `_set_gradient_checkpointing`).
    """
    every = config.training.checkpoint_every_n_layers
    return tuple(index for index in range(layers) if (first + index) % every == 0)
