"""Text encoders: which checkpoints belong to a family, and which of their modules are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepsynth_tui.config.training import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_targets import resolve_target_modules

MODEL_TYPES: Mapping[str, tuple[str, ...]] = {
    "qwen3": ("qwen3",),
    "bert": ("bert", "roberta", "xlm-roberta"),
}
"""`model_type` of the checkpoints of each `text_encoder.type`."""


def text_encoder_type(model_type: str) -> str | None:
    """The `text_encoder.type` that a checkpoint belongs to, None if to neither."""
    return next((family for family, types in MODEL_TYPES.items() if model_type in types), None)


def model_kwargs(model_type: str) -> dict[str, Any]:
    """What a model class is given beside its config: BERT's pooler would learn nothing."""
    return {"add_pooling_layer": False} if text_encoder_type(model_type) == "bert" else {}


def encoder_target_modules(linear_modules: Iterable[str]) -> tuple[str, ...]:
    """Linears that `text_encoder.trainable: lora` puts adapters on: all of them."""
    return resolve_target_modules(linear_modules, LoraSettings(), ModelSettings())
