"""The layout of a model: every weight by tower and kind, and its dimensions.

`layout_server` builds it in a child process; it is cached as JSON. Reading it needs neither torch
nor the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.models.lora_problems import ModelNames
from deepsynth_tui.models.towers import Tower
from deepsynth_tui.runs.private_folder import make_private

Kind = Literal["linear", "embedding", "norm", "conv", "fused_experts", "other"]
Role = Literal["model", "encoder"]
ImageRule = Literal[
    "pixels",
    "tiles",
    "fixed",
    "deepseek_ocr2",
    "internvl",
    "granite_docling",
    "lighton_ocr",
    "unknown",
]

# Part of the cache key. Increase it when a field below, the grouping, or the shape of a builtin
# model (whose name stays the same) changes.
CACHE_FORMAT = 10


@dataclass(frozen=True, slots=True)
class WeightGroup:
    """Parameters whose names differ only in the indices of layers and experts.

    `pattern` has ``*`` for each index; `indices` has one tuple of indices per parameter.
    `convertible`: bitsandbytes replaces the module of the parameter. `tied`: shares the storage of
    a parameter that is counted elsewhere, so it takes no memory. `float32`: kept in float32
    whatever the model's dtype is.
    """

    tower: Tower
    kind: Kind
    pattern: str
    shape: tuple[int, ...]
    indices: tuple[tuple[int, ...], ...]
    convertible: bool
    tied: bool
    float32: bool = False

    @property
    def count(self) -> int:
        """Number of parameters (tensors)."""
        return len(self.indices)

    @property
    def elements(self) -> int:
        """Elements of each tensor."""
        product = 1
        for size in self.shape:
            product *= size
        return product

    @property
    def parameters(self) -> int:
        """Elements of all tensors, 0 for a tied group."""
        return 0 if self.tied else self.count * self.elements

    @property
    def first_name(self) -> str:
        """Full dotted name of the first parameter."""
        return self._name(self.indices[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Full dotted name of each parameter."""
        return tuple(self._name(index) for index in self.indices)

    def _name(self, index: tuple[int, ...]) -> str:
        first, *rest = self.pattern.split("*")
        numbered = zip(index, rest, strict=True)
        return first + "".join(f"{number}{part}" for number, part in numbered)


@dataclass(frozen=True, slots=True)
class TextDimensions:
    """Dimensions of the language model or of a text encoder. Widths are numbers per token.

    `activation` is the MLP's, a key of ``transformers.activations.ACT2FN``, or "" if unknown.
    `caps_logits` and `caps_scores`: soft capping with a tanh (Gemma 2). The widths of linear
    attention are those of the gated delta rule of Qwen3.5, 0 in other models.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate: int = 0
    activation: str = ""
    caps_logits: bool = False
    caps_scores: bool = False
    linear_key_heads: int = 0
    linear_value_heads: int = 0
    linear_key_dim: int = 0
    linear_value_dim: int = 0


@dataclass(frozen=True, slots=True)
class ImageDimensions:
    """Dimensions of the vision tower, and the rule that gives the image tokens of a page.

    `patch` and `tile` are in pixels; a patch has the pixels of `frames` equal frames; `merge` x
    `merge` patches become one token; `tile_tokens` is per tile. Pixel limits are those of the
    model's own processor, 0 if unknown. `short_edge`: what the processor first does to an edge
    shorter than a token. `multiple` of pixels that edges are rounded up to.

    A page is cut into `fewest_tiles` to `most_tiles`, or up to `dense_tiles` if the usual grid
    shrinks it below `dense_scale` and its width / height is above `dense_min_aspect` and at most
    `dense_max_aspect` (each 0 without this limit).
    """

    rule: ImageRule
    hidden: int = 0
    layers: int = 0
    intermediate: int = 0
    patch: int = 0
    frames: int = 1
    merge: int = 1
    tile: int = 0
    tile_tokens: int = 0
    min_pixels: int = 0
    max_pixels: int = 0
    longest_edge: int = 0
    short_edge: Literal["kept", "rounded", "floored"] = "kept"
    multiple: int = 1
    fewest_tiles: int = 1
    most_tiles: int = 1
    dense_tiles: int = 0
    dense_scale: float = 0.0
    dense_min_aspect: float = 0.0
    dense_max_aspect: float = 0.0


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """Widths of a decoder layer, in numbers per token.

    `inner` is the intermediate size of the MLP, in a mixture of experts that of the shared MLP and
    of all experts that a token is routed to; `expert_inner` is the experts' part of it.
    `expert_outputs` is the width of those experts' outputs together and `experts` that of the
    router. The last three are 0 in a dense layer. `gated`: the MLP multiplies two tensors of the
    intermediate size. `looped`: the experts are modules that run one after another, each on its
    share of the tokens. `linear_attention`: attention has a state in place of keys and values.
    """

    inner: int
    gated: bool = True
    expert_inner: int = 0
    expert_outputs: int = 0
    experts: int = 0
    looped: bool = False
    linear_attention: bool = False

    @property
    def concurrent_inner(self) -> int:
        """Intermediate size that is computed at once, averaged over all tokens."""
        return self.inner - self.expert_inner + self.expert_inner // self.expert_passes

    @property
    def expert_passes(self) -> int:
        """Number of experts that run one after another; 1 if all run together."""
        return self.experts if self.looped else 1


# Names of the module that widens the hidden states to the intermediate size (transformers,
# ``models/*``).
_UNGATED_UP = ("fc1", "c_fc", "dense_h_to_4h")
# Norms over a head, which `norm_width` leaves out, and biases of norms.
_NARROW_NORMS = ("q_norm.weight", "k_norm.weight", "linear_attn.norm.weight", ".bias")
_UP = ("up_proj", "gate_up_proj", *_UNGATED_UP)


@dataclass(frozen=True)
class ModelLayout:
    """The weights and dimensions of a model.

    `takes_features`: its forward pass takes the features of pages in place of their pixels.
    """

    name: str
    revision: str | None
    role: Role
    architecture: str
    origin: Literal["hub", "folder", "shipped"]
    weights: tuple[WeightGroup, ...]
    text: TextDimensions
    image: ImageDimensions | None
    takes_features: bool = False

    @cached_property
    def total_params(self) -> int:
        """Number of parameters, tied ones once, as ``model.num_parameters()`` counts."""
        return sum(group.parameters for group in self.weights)

    @cached_property
    def linears(self) -> Mapping[str, WeightGroup]:
        """Weight groups of the linear modules by the full name of the module."""
        return {
            name.removesuffix(".weight"): group
            for group in self.weights
            if group.kind == "linear" and len(group.shape) == 2
            for name in group.names
        }

    @cached_property
    def parameters(self) -> Mapping[str, WeightGroup]:
        """Weight groups by the full name of the parameter, tied ones included."""
        return {name: group for group in self.weights for name in group.names}

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Full names of all modules that have parameters, in themselves or in submodules."""
        names: dict[str, None] = {}
        for name in self.parameters:
            parts = name.split(".")[:-1]
            for end in range(1, len(parts) + 1):
                names[".".join(parts[:end])] = None
        return tuple(names)

    @cached_property
    def names(self) -> ModelNames:
        """The names that settings of LoRA may refer to."""
        return ModelNames(self.linears, self.parameters, self.modules)

    @cached_property
    def layers(self) -> tuple[DecoderLayer, ...]:
        """The decoder layers, as far as their module names tell dense layers from mixtures."""
        inner = dict.fromkeys(range(self.text.layers), 0)
        mixtures: set[int] = set()
        linear: set[int] = set()
        looped = any(".experts.*." in group.pattern for group in self.weights)
        gated = True
        for group in self.weights:
            if group.tower != "language":
                continue
            numbers = {index[0] for index in group.indices if index}
            if ".linear_attn." in group.pattern and self.text.linear_value_heads:
                linear |= numbers
            if group.kind == "fused_experts" or ".experts.*." in group.pattern:
                mixtures |= numbers
                continue
            module = group.pattern.removesuffix(".weight").rpartition(".")[2]
            gated = gated and module not in _UNGATED_UP
            if module in _UP:
                width = group.shape[0] // (2 if module == "gate_up_proj" else 1)
                for number in numbers & inner.keys():
                    inner[number] += width
        routed = self.text.experts_per_token
        return tuple(
            DecoderLayer(
                inner=width + routed * self.text.expert_intermediate,
                gated=gated,
                expert_inner=routed * self.text.expert_intermediate,
                expert_outputs=routed * self.text.hidden,
                experts=self.text.experts,
                looped=looped,
                linear_attention=number in linear,
            )
            if number in mixtures
            else DecoderLayer(
                inner=width or self.text.intermediate,
                gated=gated,
                linear_attention=number in linear,
            )
            for number, width in inner.items()
        )

    @cached_property
    def norm_width(self) -> int:
        """Sum of the widths of a decoder layer's norms, without those over a head."""
        numbers = sum(
            group.shape[0] * group.count
            for group in self.weights
            if group.tower == "language"
            and group.kind == "norm"
            and group.indices != ((),)
            and not group.pattern.endswith(_NARROW_NORMS)
        )
        return numbers // self.text.layers

    @cached_property
    def has_qk_norm(self) -> bool:
        """Whether queries and keys are normalised (Qwen3)."""
        return any(g.tower == "language" and "q_norm" in g.pattern for g in self.weights)

    @cached_property
    def has_layer_norm(self) -> bool:
        """Whether norms of the language model are LayerNorms (with bias) rather than RMSNorms."""
        return any(
            g.tower == "language" and g.kind == "norm" and g.pattern.endswith(".bias")
            for g in self.weights
        )

    @cached_property
    def has_output_gate(self) -> bool:
        """Whether the query projection has a gate for the output of attention (Qwen3.5)."""
        width = 2 * self.text.heads * self.text.head_dim
        return any(
            g.tower == "language" and g.pattern.endswith("q_proj.weight") and g.shape[0] == width
            for g in self.weights
        )

    def tower_params(self, tower: Tower) -> int:
        """Number of parameters of a tower."""
        return sum(group.parameters for group in self.weights if group.tower == tower)

    def to_json(self) -> dict[str, Any]:
        """Return the layout as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelLayout:
        """Build a layout from `to_json`. Raises KeyError or TypeError on other data."""
        groups = tuple(
            WeightGroup(
                **{
                    **group,
                    "shape": tuple(group["shape"]),
                    "indices": tuple(tuple(index) for index in group["indices"]),
                }
            )
            for group in data["weights"]
        )
        image = data["image"]
        return cls(
            **{
                **data,
                "weights": groups,
                "text": TextDimensions(**data["text"]),
                "image": ImageDimensions(**image) if image else None,
            }
        )


def layout_cache_path(name: str, revision: str | None = None, role: Role = "model") -> Path:
    """Return the cache file of a model's layout.

    The file name depends on the transformers version, as module names change with it, and for a
    folder on the modification time of its ``config.json``.
    """
    config = Path(name).expanduser() / "config.json"
    mtime_ns = config.stat().st_mtime_ns if config.is_file() else 0
    identity = [CACHE_FORMAT, metadata.version("transformers"), name, revision, role, mtime_ns]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[-60:]
    return cache_dir() / "profiles" / f"{slug}-{digest}.json"


def load_layout(name: str, revision: str | None = None, role: Role = "model") -> ModelLayout | None:
    """Return the cached layout of a model, None if it is not cached."""
    path = layout_cache_path(name, revision, role)
    if not path.is_file():
        return None
    return ModelLayout.from_json(json.loads(path.read_text(encoding="utf-8")))


def save_layout(layout: ModelLayout) -> Path:
    """Write a layout to the cache atomically and return its path. Raises OSError."""
    path = layout_cache_path(layout.name, layout.revision, layout.role)
    make_private(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(layout.to_json()), encoding="utf-8")
    draft.replace(path)
    return path
