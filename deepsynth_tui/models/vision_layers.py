"""The transformer layers of a vision tower, read from the names and shapes of its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deepsynth_tui.models.layout import ModelLayout, WeightGroup

# Module names in transformers' vision towers (``models/*/modeling_*.py``).
_FUSED_QKV = ("qkv", "qkv_proj")
_QUERY, _KEY, _VALUE = ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")
_GATE = ("gate_proj",)
_UP = ("fc1", "linear_fc1", "lin1", "up_proj", "c_fc")
_QUERY_NORM = ".q_norm.weight"
_RELATIVE_POSITIONS = "rel_pos_h"


@dataclass(frozen=True, slots=True)
class ScoreBias:
    """Layers whose attention adds a bias for each pair of positions (SAM); no fused kernel has it.

    Attention has `heads` heads and is over a whole view if `is_global`, else over windows of `side`
    x `side` positions.
    """

    layers: int
    heads: int
    side: int
    is_global: bool


@dataclass(frozen=True, slots=True)
class VisionLayers:
    """A stack of `layers` identical layers. Widths are numbers per position.

    `qkv` is the width of queries, keys and values together, `fused_qkv` whether a single linear
    computes them, and `qk_norm` whether queries and keys are normalized. `inner` is the
    intermediate size of the MLP. `layer_norm` says whether the norms are LayerNorms (with bias)
    rather than RMSNorms.
    """

    prefix: str
    layers: int
    hidden: int
    qkv: int
    fused_qkv: bool
    qk_norm: bool
    inner: int
    gated: bool
    layer_norm: bool
    biases: tuple[ScoreBias, ...]


def vision_layers(layout: ModelLayout) -> tuple[VisionLayers, ...]:
    """Return the stacks of the vision tower in forward order; empty for a text-only model."""
    stacks: dict[str, list[WeightGroup]] = {}
    for group in layout.weights:
        prefix, numbered, _ = group.pattern.partition(".*.")
        if group.tower == "vision" and numbered:
            stacks.setdefault(prefix, []).append(group)
    return tuple(_stack(prefix, groups) for prefix, groups in stacks.items())


def layers_before(layout: ModelLayout) -> Mapping[str, int]:
    """Return how many layers are in the stacks before each stack, by its prefix.

    The stack of the language model has the key "language". The order is that of the modules.
    """
    indices: dict[str, set[int]] = {}
    for group in layout.weights:
        prefix, numbered, _ = group.pattern.partition(".*.")
        if numbered and group.tower in ("vision", "language"):
            stack = prefix if group.tower == "vision" else "language"
            indices.setdefault(stack, set()).update(index[0] for index in group.indices)
    sizes = [len(numbers) for numbers in indices.values()]
    return {stack: sum(sizes[:place]) for place, stack in enumerate(indices)}


def _stack(prefix: str, groups: Sequence[WeightGroup]) -> VisionLayers:
    linears = {
        group.pattern.removesuffix(".weight").rpartition(".")[2]: group
        for group in groups
        if group.kind == "linear" and len(group.shape) == 2
    }
    fused = _width(linears, _FUSED_QKV)
    separate = sum(_width(linears, names) for names in (_QUERY, _KEY, _VALUE))
    hidden = next(group.shape[-1] for group in linears.values())
    return VisionLayers(
        prefix=prefix,
        layers=max(group.count for group in linears.values()),
        hidden=hidden,
        qkv=fused or separate or 3 * hidden,
        fused_qkv=bool(fused),
        qk_norm=any(g.kind == "norm" and g.pattern.endswith(_QUERY_NORM) for g in groups),
        inner=_width(linears, _UP),
        gated=bool(_width(linears, _GATE)),
        layer_norm=any(g.kind == "norm" and g.pattern.endswith(".bias") for g in groups),
        biases=_biases(groups, hidden),
    )


def _biases(groups: Iterable[WeightGroup], hidden: int) -> tuple[ScoreBias, ...]:
    """A table of relative positions has shape (2 x side - 1, hidden / heads)."""
    tables = [group for group in groups if group.pattern.endswith(_RELATIVE_POSITIONS)]
    longest = max((table.shape[0] for table in tables), default=0)
    return tuple(
        ScoreBias(
            layers=table.count,
            heads=hidden // table.shape[1],
            side=(table.shape[0] + 1) // 2,
            is_global=table.shape[0] == longest,
        )
        for table in tables
    )


def _width(linears: Mapping[str, WeightGroup], names: Iterable[str]) -> int:
    return next((linears[name].shape[0] for name in names if name in linears), 0)
