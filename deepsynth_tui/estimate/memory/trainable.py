"""How many parameters a configuration trains, to the digit of PEFT's own count.

Formulas are those of ``peft/tuners/lora/layer.py``: an adapter of rank r on a weight (out, in)
has r x (in + out) parameters, DoRA adds `out` magnitudes, and a fused parameter of E experts has
an adapter for each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deepsynth_tui.config.training import LoraSettings, TrainingConfig
from deepsynth_tui.models.layout import ModelLayout, WeightGroup
from deepsynth_tui.models.lora_targets import (
    resolve_modules_to_save,
    resolve_target_modules,
    resolve_target_parameters,
)
from deepsynth_tui.models.towers import Tower, is_trained


@dataclass(frozen=True, slots=True)
class TrainableParameters:
    """What learns. Counts of parameters; `targets` by full name of the adapted module or tensor.

    `adapters` are new tensors beside the base, `copies` base modules that PEFT duplicates to train
    them whole (``modules_to_save``), `own` base weights trained in place: biases, or everything
    not frozen when LoRA is off. `by_tower` sums the three.
    """

    adapters: int
    copies: int
    own: int
    by_tower: Mapping[Tower, int]
    targets: Mapping[str, WeightGroup]

    @property
    def total(self) -> int:
        """What ``print_trainable_parameters`` calls trainable."""
        return self.adapters + self.copies + self.own


def count_trainable(config: TrainingConfig, profile: ModelLayout) -> TrainableParameters:
    """Count what `config` trains in the model (the text encoder is counted apart)."""
    if not config.lora.enabled:
        return _count_full(config, profile)
    lora = config.lora
    by_tower: Counter[Tower] = Counter()
    targets: dict[str, WeightGroup] = {}
    adapters = 0
    for name in resolve_target_modules(profile.linears, lora, config.model):
        group = targets[name] = profile.linears[name]
        size = _rank(name, lora) * sum(group.shape) + (group.shape[0] if lora.use_dora else 0)
        adapters += size
        by_tower[group.tower] += size
    fused = {name: g for name, g in profile.parameters.items() if g.kind == "fused_experts"}
    for name in resolve_target_parameters(fused, lora, config.model):
        group = targets[name] = fused[name]
        experts, rows, columns = group.shape
        size = _rank(name, lora) * experts * (rows + columns)
        adapters += size
        by_tower[group.tower] += size
    saved = _saved_whole(profile, lora)
    for group in saved.values():
        by_tower[group.tower] += group.elements
    biases = [group for name, group in profile.parameters.items() if _is_bias(name, lora, targets)]
    for group in biases:
        by_tower[group.tower] += group.elements
    return TrainableParameters(
        adapters=adapters,
        copies=sum(group.elements for group in saved.values()),
        own=sum(group.elements for group in biases),
        by_tower=dict(by_tower),
        targets=targets,
    )


def _count_full(config: TrainingConfig, profile: ModelLayout) -> TrainableParameters:
    by_tower: Counter[Tower] = Counter()
    for group in profile.weights:
        if is_trained(group.tower, config.model):
            by_tower[group.tower] += group.parameters
    return TrainableParameters(
        adapters=0, copies=0, own=by_tower.total(), by_tower=dict(+by_tower), targets={}
    )


def _rank(name: str, lora: LoraSettings) -> int:
    """The rank of one adapter: the rule of ``peft.utils.other.get_pattern_key``."""
    for pattern, rank in lora.rank_pattern.items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return rank
    return lora.r


def _saved_whole(profile: ModelLayout, lora: LoraSettings) -> Mapping[str, WeightGroup]:
    """Parameters below the modules of ``modules_to_save``, tied ones too: a copy is its own."""
    if not lora.modules_to_save:
        return {}
    prefixes = tuple(f"{name}." for name in resolve_modules_to_save(profile.modules, lora))
    return {
        name: group
        for name, group in profile.parameters.items()
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
