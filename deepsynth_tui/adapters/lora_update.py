"""The update of each adapted module: its norm, and how much of its rank it uses.

LoRA adds `scaling * B A` to a weight. Its singular values are those of `R_B R_A^T`, r x r, where
`B = Q_B R_B` and `A^T = Q_A R_A`: the product B A is never computed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepsynth_tui.adapters.weights_file import WeightsFile
from deepsynth_tui.errors import UserError
from deepsynth_tui.models.towers import Tower, tower_of

PREFIX = "base_model.model."
PEFT_DEFAULT = 8  # of `r` and `lora_alpha` in `peft.LoraConfig`
ENERGY = 0.99
"""Share of the squared norm of an update that the directions it uses hold."""
_FACTOR = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<factor>[AB])(\.weight)?")


@dataclass(frozen=True, slots=True)
class LayerUpdate:
    """What LoRA adds to one weight.

    Attributes:
        module: Its name in the base model, of a parameter where PEFT adapts fused experts.
        tower: The tower it belongs to.
        r: Its rank.
        experts: Number of matrices in the weight: 1 except for fused experts.
        scaling: What `B A` is multiplied by.
        norm: Frobenius norm of the update. For DoRA of the direction, before it is rescaled.
        effective_rank: Exponential of the entropy of the normalized singular values (Roy and
            Vetterli, 2007), of the expert that has most; 0 where there is no update.
        rank_used: Number of directions that hold 99 % of the squared norm, of the expert that has
            most.
    """

    module: str
    tower: Tower
    r: int
    experts: int
    scaling: float
    norm: float
    effective_rank: float
    rank_used: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


def scaling(peft_config: Mapping[str, Any], module: str, r: int) -> float:
    """Return what `B A` of a module is multiplied by: alpha / r, for rsLoRA alpha / sqrt(r)."""
    alpha: float = _of_module(peft_config, "alpha_pattern", "lora_alpha", module)
    return alpha / (math.sqrt(r) if peft_config.get("use_rslora") else r)


def rank(peft_config: Mapping[str, Any], module: str) -> int:
    """Return the rank of a module."""
    return _of_module(peft_config, "rank_pattern", "r", module)


def _of_module(peft_config: Mapping[str, Any], patterns: str, default: str, module: str) -> Any:
    """Return the value of the first pattern that matches, as `peft.utils.get_pattern_key` does."""
    for pattern, value in (peft_config.get(patterns) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return peft_config.get(default, PEFT_DEFAULT)


def layer_updates(weights: WeightsFile, peft_config: Mapping[str, Any]) -> Iterator[LayerUpdate]:
    """Yield the update of each adapted module, in the order of the file.

    Raises:
        UserError: a factor is missing, or its shape is not that of the rank.
    """
    factors: dict[str, dict[str, str]] = {}
    for name in weights.tensors:
        if match := _FACTOR.fullmatch(name):
            factors.setdefault(match["module"], {})[match["factor"]] = name
    names = _module_names(list(factors), peft_config)
    for stored, module in names.items():
        yield _layer_update(weights, peft_config, module, factors[stored])


def _module_names(stored: Sequence[str], peft_config: Mapping[str, Any]) -> dict[str, str]:
    """Return the name in the base model of each module in the file.

    Of a module with one adapted parameter, such as fused experts, that of the parameter. PEFT nests
    the adapters of several parameters (`base_layer` in the name) in the order of the model, which
    the file does not tell: these keep the name of the module, numbered.
    """
    names: dict[str, str] = {}
    depths: Counter[str] = Counter()
    for name in stored:
        module = name.removeprefix(PREFIX).replace(".base_layer", "")
        parameters = [
            parameter
            for parameter in peft_config.get("target_parameters") or ()
            if f".{module}".endswith(f".{parameter.rpartition('.')[0]}")
        ]
        depths[module] += 1
        if len(parameters) == 1:
            names[name] = f"{module}.{parameters[0].rpartition('.')[2]}"
        elif depths[module] > 1:
            names[name] = f"{module}#{depths[module]}"
        else:
            names[name] = module
    return names


def _layer_update(
    weights: WeightsFile, peft_config: Mapping[str, Any], module: str, factors: Mapping[str, str]
) -> LayerUpdate:
    if factors.keys() != {"A", "B"}:
        missing = "lora_A" if "A" not in factors else "lora_B"
        raise UserError(
            f"{weights.path}: {module} has no {missing}", "Copy or download the adapter again."
        )
    a, b = weights.read(factors["A"]), weights.read(factors["B"])
    a = a.reshape(a.shape[0], -1)  # a convolution: (r, in, height, width)
    b = b.reshape(b.shape[0], -1)
    r = rank(peft_config, module)
    if a.shape[0] != b.shape[1] or a.shape[0] % r:
        raise UserError(
            f"{weights.path}: {module} has factors of the shapes {a.shape} and {b.shape}, which do "
            f"not have the rank {r} of adapter_config.json",
            "The two files are of different adapters: copy or download the adapter again.",
        )
    experts = a.shape[0] // r
    factor = scaling(peft_config, module, r)
    spectra = [_singular_values(*pair) * factor for pair in _expert_factors(a, b, experts)]
    return LayerUpdate(
        module=module,
        tower=tower_of(module),
        r=r,
        experts=experts,
        scaling=factor,
        norm=math.sqrt(sum(float((values**2).sum()) for values in spectra)),
        effective_rank=max(map(effective_rank, spectra)),
        rank_used=max(map(rank_used, spectra)),
    )


def _expert_factors(
    a: np.ndarray, b: np.ndarray, experts: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield A (r, in) and B (out, r) of each expert, as PEFT's `ParamWrapper` stores them."""
    by_expert = b.reshape(b.shape[0], -1, experts)
    for expert, expert_a in enumerate(np.split(a, experts)):
        yield expert_a, by_expert[:, :, expert]


def _singular_values(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the singular values of `B A`, largest first."""
    r_a = np.asarray(np.linalg.qr(a.T.astype(np.float64), mode="r"))
    r_b = np.asarray(np.linalg.qr(b.astype(np.float64), mode="r"))
    return np.linalg.svd(r_b @ r_a.T, compute_uv=False)


def effective_rank(values: np.ndarray) -> float:
    """Return the exponential of the entropy of normalized singular values; 0 if all are 0."""
    total = values.sum()
    if not total:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rank_used(values: np.ndarray) -> int:
    """Return how many of the largest singular values hold 99 % of their squared norm."""
    energy = np.cumsum(values**2)
    if not len(energy) or not energy[-1]:
        return 0
    # A share that is equal to the limit up to rounding counts as reaching it.
    return int(np.searchsorted(energy, ENERGY * energy[-1] * (1 - 1e-12))) + 1
