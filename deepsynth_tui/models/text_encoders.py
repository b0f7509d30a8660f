"""Text encoders: the checkpoints of each `text_encoder.type`, and the modules that are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepsynth_tui.config.model import LoraSettings, ModelSettings
from deepsynth_tui.models.lora_targets import resolve_target_modules

MODEL_TYPES: Mapping[str, tuple[str, ...]] = {
    "qwen3": ("qwen3",),
    "bert": ("bert", "roberta", "xlm-roberta"),
}
"""The `model_type` values that each `text_encoder.type` accepts."""


def text_encoder_type(model_type: str) -> str | None:
    """Return the `text_encoder.type` of a checkpoint, None if it is not supported."""
    return next((family for family, types in MODEL_TYPES.items() if model_type in types), None)


def model_kwargs(model_type: str) -> dict[str, Any]:
    """Return the arguments of the model class beside the config.

    BERT's pooler is left out: its output is not used, so it would get no gradient.
    """
    return {"add_pooling_layer": False} if text_encoder_type(model_type) == "bert" else {}


def encoder_target_modules(linear_modules: Iterable[str]) -> tuple[str, ...]:
    """Return the linears that `text_encoder.trainable: lora` adapts: all of them."""
    return resolve_target_modules(linear_modules, LoraSettings(), ModelSettings())
