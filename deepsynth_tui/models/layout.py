"""What a model is made of, as a value: every weight by tower and kind, and its key figures.

A profile is built once, in a child process (`profiles.job`), and kept as JSON among the caches;
everything that reads it here needs neither torch nor the model.
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
from deepsynth_tui.models.towers import Tower

Kind = Literal["linear", "embedding", "norm", "conv", "fused_experts", "other"]
Role = Literal["model", "encoder"]
ImageRule = Literal["pixels", "tiles", "deepseek_ocr2", "fixed", "unknown"]

# Part of the cache key: raise it when the fields below change, or what is counted, or the shape of
# a builtin model, which is kept under its name.
CACHE_FORMAT = 7


@dataclass(frozen=True, slots=True)
class WeightGroup:
    """Parameters that differ only in the numbers of their name (layers, experts).

    `pattern` has ``*`` for each number and `indices` the numbers themselves, one tuple per
    parameter. `convertible`: bitsandbytes replaces the module it belongs to. `tied`: the same
    storage as a parameter counted elsewhere, so it takes no memory of its own. `float32`: held in
    that format whatever the model's is.
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
        """How many parameters (tensors) the group has."""
        return len(self.indices)

    @property
    def elements(self) -> int:
        """Numbers in one tensor of the group."""
        product = 1
        for size in self.shape:
            product *= size
        return product

    @property
    def parameters(self) -> int:
        """Numbers in the whole group, 0 if it is tied."""
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
        return first + "".join(f"{number}{piece}" for number, piece in numbered)


@dataclass(frozen=True, slots=True)
class TextDimensions:
    """Key figures of the language model (or of the encoder). Widths in numbers per token.

    `activation` is the name of the MLP's (``transformers.activations.ACT2FN``), "" if unknown.
    `caps_logits` and `caps_scores`: they pass a tanh (Gemma 2).
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


@dataclass(frozen=True, slots=True)
class ImageDimensions:
    """How many tokens a page takes, and what the vision tower works on.

    `patch` and `tile` in pixels; `merge` patches a side become one token; `tile_tokens` per
    tile; `max_pixels` and `longest_edge` as the model's own processor has them, 0 if unknown.
    """

    rule: ImageRule
    hidden: int = 0
    layers: int = 0
    intermediate: int = 0
    patch: int = 0
    merge: int = 1
    tile: int = 0
    tile_tokens: int = 0
    min_pixels: int = 0
    max_pixels: int = 0
    longest_edge: int = 0


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """Widths of one decoder layer, per token.

    `inner` of its MLPs together, `chosen` of that in the chosen experts; `routed` of the chosen
    experts' outputs and `experts` of the router. The last three are 0 in a dense layer. `gated`:
    the MLP multiplies two tensors of the inner width. `looped`: experts are modules that run one
    after another, each on its share of the tokens.
    """

    inner: int
    gated: bool = True
    chosen: int = 0
    routed: int = 0
    experts: int = 0
    looped: bool = False

    @property
    def at_once(self) -> int:
        """Inner width that is worked on at one time."""
        return self.inner - self.chosen + self.chosen // self.turns

    @property
    def turns(self) -> int:
        """Experts that follow one another; 1 where all are computed together."""
        return self.experts if self.looped else 1


# What the module that widens the hidden stream is called (transformers, ``models/*``).
_PLAIN = ("fc1", "c_fc", "dense_h_to_4h")
_WIDENING = ("up_proj", "gate_up_proj", *_PLAIN)


@dataclass(frozen=True)
class ModelLayout:
    """A model as the estimate sees it."""

    name: str
    revision: str | None
    role: Role
    architecture: str
    origin: Literal["hub", "folder", "shipped"]
    weights: tuple[WeightGroup, ...]
    text: TextDimensions
    image: ImageDimensions | None

    @cached_property
    def total_params(self) -> int:
        """Parameters of the model, tied ones once: what ``model.num_parameters()`` says."""
        return sum(group.parameters for group in self.weights)

    @cached_property
    def linears(self) -> Mapping[str, WeightGroup]:
        """The weight group of every linear module, by the module's full name."""
        return {
            name.removesuffix(".weight"): group
            for group in self.weights
            if group.kind == "linear" and len(group.shape) == 2
            for name in group.names
        }

    @cached_property
    def parameters(self) -> Mapping[str, WeightGroup]:
        """The group of every parameter by its full name, tied ones too."""
        return {name: group for group in self.weights for name in group.names}

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Full name of every module that holds a parameter, or holds one that does."""
        found: dict[str, None] = {}
        for name in self.parameters:
            parts = name.split(".")[:-1]
            for end in range(1, len(parts) + 1):
                found[".".join(parts[:end])] = None
        return tuple(found)

    @cached_property
    def layers(self) -> tuple[DecoderLayer, ...]:
        """The decoder layers, as far as the names of their modules tell them apart."""
        inner = dict.fromkeys(range(self.text.layers), 0)
        mixed: set[int] = set()
        looped = any(".experts.*." in group.pattern for group in self.weights)
        gated = True
        for group in self.weights:
            if group.tower != "language":
                continue
            numbers = {index[0] for index in group.indices if index}
            if group.kind == "fused_experts" or ".experts.*." in group.pattern:
                mixed |= numbers
                continue
            module = group.pattern.removesuffix(".weight").rpartition(".")[2]
            gated = gated and module not in _PLAIN
            if module in _WIDENING:
                width = group.shape[0] // (2 if module == "gate_up_proj" else 1)
                for number in numbers & inner.keys():
                    inner[number] += width
        chosen = self.text.experts_per_token
        return tuple(
            DecoderLayer(
                inner=width + chosen * self.text.expert_intermediate,
                gated=gated,
                chosen=chosen * self.text.expert_intermediate,
                routed=chosen * self.text.hidden,
                experts=self.text.experts,
                looped=looped,
            )
            if number in mixed
            else DecoderLayer(inner=width or self.text.intermediate, gated=gated)
            for number, width in inner.items()
        )

    @cached_property
    def norm_width(self) -> int:
        """Widths of the norms of one decoder layer together, those of queries and keys apart."""
        numbers = sum(
            group.shape[0] * group.count
            for group in self.weights
            if group.tower == "language"
            and group.kind == "norm"
            and group.indices != ((),)
            and not group.pattern.endswith(("q_norm.weight", "k_norm.weight", ".bias"))
        )
        return numbers // self.text.layers

    @cached_property
    def norms_heads(self) -> bool:
        """Whether queries and keys pass a norm of their own (Qwen3)."""
        return any(g.tower == "language" and "q_norm" in g.pattern for g in self.weights)

    def params_of(self, tower: Tower) -> int:
        """Parameters of one tower."""
        return sum(group.parameters for group in self.weights if group.tower == tower)

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelLayout:
        """Rebuild a profile from `to_json`. Raises KeyError or TypeError on other data."""
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
    """Where the profile of this model lies.

    The name carries the transformers version (module layouts change with it) and, for a folder,
    the time its ``config.json`` was written.
    """
    config = Path(name).expanduser() / "config.json"
    written = config.stat().st_mtime_ns if config.is_file() else 0
    identity = [CACHE_FORMAT, metadata.version("transformers"), name, revision, role, written]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[-60:]
    return cache_dir() / "profiles" / f"{slug}-{digest}.json"


def load_layout(name: str, revision: str | None = None, role: Role = "model") -> ModelLayout | None:
    """The cached profile of a model, None if it has not been built yet."""
    path = layout_cache_path(name, revision, role)
    if not path.is_file():
        return None
    return ModelLayout.from_json(json.loads(path.read_text(encoding="utf-8")))


def save_layout(profile: ModelLayout) -> Path:
    """Keep a profile for the next time; whole or not at all. Raises OSError if it cannot."""
    path = layout_cache_path(profile.name, profile.revision, profile.role)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(profile.to_json()), encoding="utf-8")
    draft.replace(path)
    return path
