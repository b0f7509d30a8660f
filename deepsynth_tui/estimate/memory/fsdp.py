"""Bytes of base weights in one process where `training.fsdp` shares the layers out.

Embeddings, the head and the scales of quantised weights stay whole (`training/sharding.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.weights import (
    is_quantized,
    loading_bytes,
    tensor_bytes,
    weight_bytes,
)
from deepsynth_tui.models.layout import ModelLayout

GATHERED = 2
"""Layers that are whole at one time: the one that computes, and the next, which torch's FSDP2
fetches meanwhile (torch/distributed/fsdp/_fully_shard/_fsdp_state.py, `_pre_forward`)."""

STACKS = (".layers.", ".layer.", ".blocks.", ".block.", ".h.")
"""Ends of what transformers' models call their stacks of layers, numbers apart."""


def rank_weight_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """Most bytes of base weights that one process holds in a step."""
    whole = weight_bytes(config, profile)
    if not config.training.fsdp:
        return whole
    sizes = sharded_layer_bytes(config, profile)
    shared = sum(sizes.values())
    parts = -(-shared // config.training.num_processes)
    return whole - shared + parts + GATHERED * max(sizes.values(), default=0)


def rank_loading_bytes(config: TrainingConfig, profile: ModelLayout) -> int:
    """Most bytes of base weights on the GPU while the model is loaded; what is to be shared out is
    loaded into main memory, whole, by each process."""
    if config.training.fsdp:
        return rank_weight_bytes(config, profile)
    return loading_bytes(config, profile)


def sharded_layer_bytes(
    config: TrainingConfig, profile: ModelLayout
) -> Mapping[tuple[str, int], int]:
    """Bytes that are shared out of each layer, by the name of its stack and its number in it."""
    sizes: Counter[tuple[str, int]] = Counter()
    for group in profile.weights:
        stack = group.pattern.partition("*")[0]
        if not stack.endswith(STACKS):
            continue
        packed = group.elements // 2
        quantised = is_quantized(group.first_name, group, config)
        size = packed if quantised else tensor_bytes(group, config)
        for number, *_ in filter(None, group.indices):
            sizes[stack, number] += size
    return sizes
