"""The number of trainable parameters, equal to PEFT's own count.

Formulas of ``peft/tuners/lora/layer.py``: an adapter of rank r on a weight (out, in) has
r x (in + out) parameters, DoRA adds `out` magnitudes, and a fused parameter of E experts has an
adapter for each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.config.model import LoraSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, WeightGroup
from deepsynth_tui.models.lora_targets import (
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
)
from deepsynth_tui.models.towers import Tower, is_trained, tower_of


@dataclass(frozen=True, slots=True)
class TrainableParameters:
    """Numbers of trainable parameters; `targets` has the adapted modules and parameters by name.

    `adapters` are new tensors beside the base; `module_copies` are copies of base modules that PEFT
    trains in full (``modules_to_save``); `in_place` are base weights: biases, or all that is not
    frozen without LoRA. `by_tower` sums the three.
    """

    adapters: int
    module_copies: int
    in_place: int
    by_tower: Mapping[Tower, int]
    targets: Mapping[str, WeightGroup]

    @property
    def total(self) -> int:
        """The trainable parameters of PEFT's ``print_trainable_parameters``."""
        return self.adapters + self.module_copies + self.in_place


def count_trainable(config: TrainingConfig, layout: ModelLayout) -> TrainableParameters:
    """Count the trainable parameters of the model, without those of a text encoder."""
    if not config.lora.enabled:
        return _count_full(config, layout)
    lora = config.lora
    by_tower: Counter[Tower] = Counter()
    targets: dict[str, WeightGroup] = {}
    adapters = 0
    for name in resolve_target_modules(layout.linears, lora, config.model):
        group = targets[name] = layout.linears[name]
        size = _rank(name, lora) * sum(group.shape) + (group.shape[0] if lora.use_dora else 0)
        adapters += size
        by_tower[group.tower] += size
    fused = {name: g for name, g in layout.parameters.items() if g.kind == "fused_experts"}
    for name in resolve_target_parameters(fused, lora, config.model):
        group = targets[name] = fused[name]
        experts, rows, columns = group.shape
        size = _rank(name, lora) * experts * (rows + columns)
        adapters += size
        by_tower[group.tower] += size
    if tokens := len(set(lora.trainable_token_indices)):
        size = tokens * layout.text.hidden
        adapters += size
        by_tower[tower_of(_embedding(layout).first_name)] += size
    saved = _modules_to_save(layout, lora)
    for group in saved.values():
        by_tower[group.tower] += group.elements
    biases = [group for name, group in layout.parameters.items() if _is_bias(name, lora, targets)]
    for group in biases:
        by_tower[group.tower] += group.elements
    return TrainableParameters(
        adapters=adapters,
        module_copies=sum(group.elements for group in saved.values()),
        in_place=sum(group.elements for group in biases),
        by_tower=dict(by_tower),
        targets=targets,
    )


def _count_full(config: TrainingConfig, layout: ModelLayout) -> TrainableParameters:
    by_tower: Counter[Tower] = Counter()
    for group in layout.weights:
        if is_trained(group.tower, config.model):
            by_tower[group.tower] += group.parameters
    return TrainableParameters(
        adapters=0, module_copies=0, in_place=by_tower.total(), by_tower=dict(+by_tower), targets={}
    )


def _embedding(layout: ModelLayout) -> WeightGroup:
    """The table of the token embeddings."""
    tables = (g for g in layout.weights if g.kind == "embedding" and g.tower != "vision")
    return max(tables, key=lambda group: group.elements)


def _rank(name: str, lora: LoraSettings) -> int:
    """The rank of an adapter, by the rule of ``peft.utils.other.get_pattern_key``."""
    for pattern, rank in lora.rank_pattern.items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return rank
    return lora.r


def _modules_to_save(layout: ModelLayout, lora: LoraSettings) -> Mapping[str, WeightGroup]:
    """Parameters in the modules of ``modules_to_save``. Tied ones count: the copy is not tied."""
    if not lora.modules_to_save:
        return {}
    prefixes = tuple(f"{name}." for name in resolve_modules_to_save(layout.modules, lora))
    return {
        name: group
        for name, group in layout.parameters.items()
        if prefixes and name.startswith(prefixes)
    }


def _is_bias(name: str, lora: LoraSettings, targets: Mapping[str, WeightGroup]) -> bool:
    match lora.bias:
        case "none":
            return False
        case "all":
            return name.endswith(".bias")
        case "lora_only":
            return name.endswith(".bias") and name.removesuffix(".bias") in targets
