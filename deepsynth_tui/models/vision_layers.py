"""The layers of a vision tower, read off the names and shapes of their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deepsynth_tui.models.layout import ModelLayout, WeightGroup

# What modules are called in transformers' vision towers (``models/*/modeling_*.py``).
_FUSED = ("qkv", "qkv_proj")
_QUERIES, _KEYS, _VALUES = ("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value")
_GATES = ("gate_proj",)
_INNER = ("fc1", "linear_fc1", "lin1", "up_proj", "c_fc")
_OFFSETS = "rel_pos_h"


@dataclass(frozen=True, slots=True)
class ScoreBias:
    """Layers whose attention adds a bias for each pair of positions (SAM): no kernel fuses it.

    They attend with `heads` heads over a whole view, or within windows of `side` x `side`.
    """

    layers: int
    heads: int
    side: int
    is_global: bool


@dataclass(frozen=True, slots=True)
class VisionLayers:
    """`layers` alike, of widths in numbers per position.

    `attended` is what queries, keys and values take together, `fused` whether one linear makes
    them; `inner` is the width of the MLP, gated or not.
    """

    prefix: str
    layers: int
    hidden: int
    attended: int
    fused: bool
    inner: int
    gated: bool
    centred: bool
    biases: tuple[ScoreBias, ...]


def vision_layers(profile: ModelLayout) -> tuple[VisionLayers, ...]:
    """The stacks of the vision tower in the order a page passes them; empty without one."""
    found: dict[str, list[WeightGroup]] = {}
    for group in profile.weights:
        prefix, numbered, _ = group.pattern.partition(".*.")
        if group.tower == "vision" and numbered:
            found.setdefault(prefix, []).append(group)
    return tuple(_stack(prefix, groups) for prefix, groups in found.items())


def _stack(prefix: str, groups: Sequence[WeightGroup]) -> VisionLayers:
    modules = {
        group.pattern.removesuffix(".weight").rpartition(".")[2]: group
        for group in groups
        if group.kind == "linear" and len(group.shape) == 2
    }
    fused = _width(modules, _FUSED)
    apart = sum(_width(modules, names) for names in (_QUERIES, _KEYS, _VALUES))
    hidden = next(group.shape[-1] for group in modules.values())
    return VisionLayers(
        prefix=prefix,
        layers=max(group.count for group in modules.values()),
        hidden=hidden,
        attended=fused or apart or 3 * hidden,
        fused=bool(fused),
        inner=_width(modules, _INNER),
        gated=bool(_width(modules, _GATES)),
        centred=any(g.kind == "norm" and g.pattern.endswith(".bias") for g in groups),
        biases=_biases(groups, hidden),
    )


def _biases(groups: Iterable[WeightGroup], hidden: int) -> tuple[ScoreBias, ...]:
    """An offset table has a row for each distance, 2 x side - 1, and a column a head's width."""
    tables = [group for group in groups if group.pattern.endswith(_OFFSETS)]
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


def _width(modules: Mapping[str, WeightGroup], names: Iterable[str]) -> int:
    return next((modules[name].shape[0] for name in names if name in modules), 0)
