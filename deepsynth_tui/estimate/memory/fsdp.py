"""Bytes of the base weights on one rank, with and without `training.fsdp`.

Vision towers, embeddings, the head and the scales of quantized weights are not sharded
(`training/modeling/fsdp.py`).
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

GATHERED_LAYERS = 2
"""Layers that are unsharded at the same time: the one that computes and the next, which FSDP2
prefetches (torch/distributed/fsdp/_fully_shard/_fsdp_state.py, `_pre_forward`)."""

LAYER_LISTS = (".layers.", ".layer.", ".blocks.", ".block.", ".h.")
"""Ends of the names of the layer lists in transformers' models, without the index."""


def rank_weight_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Peak bytes of base weights on one rank during a step."""
    total = weight_bytes(config, layout)
    if not config.training.fsdp:
        return total
    sizes = sharded_layer_bytes(config, layout)
    sharded = sum(sizes.values())
    shard = -(-sharded // config.training.num_processes)
    return total - sharded + shard + GATHERED_LAYERS * max(sizes.values(), default=0)


def rank_loading_bytes(config: TrainingConfig, layout: ModelLayout) -> int:
    """Peak bytes of base weights on one rank's GPU while the model is loaded.

    With FSDP each rank loads the whole model into main memory first.
    """
    if config.training.fsdp:
        return rank_weight_bytes(config, layout)
    return loading_bytes(config, layout)


def sharded_layer_bytes(
    config: TrainingConfig, layout: ModelLayout
) -> Mapping[tuple[str, int], int]:
    """Bytes of each layer that FSDP shards, by the name of the layer list and the layer's index."""
    sizes: Counter[tuple[str, int]] = Counter()
    for group in layout.weights:
        layer_list = group.pattern.partition("*")[0]
        if group.tower != "language" or not layer_list.endswith(LAYER_LISTS):
            continue
        packed = group.elements // 2
        quantized = is_quantized(group.first_name, group, config)
        size = packed if quantized else tensor_bytes(group, config)
        for index, *_ in filter(None, group.indices):
            sizes[layer_list, index] += size
    return sizes
