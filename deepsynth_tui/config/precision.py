"""Weights that are trained directly, and settings in place of those that compute in bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepsynth_tui.config.fields import as_text
from deepsynth_tui.config.training import TrainingConfig


def trains_base_weights(config: TrainingConfig) -> bool:
    """Whether weights with the dtype of the model are trained, not adapters (float32) alone."""
    encoder = config.text_encoder
    return (
        not config.lora.enabled
        or bool(config.lora.modules_to_save)
        or config.lora.bias != "none"
        or (encoder.enabled and encoder.trainable == "full")
    )


def float16_changes(config: TrainingConfig) -> Mapping[str, Any]:
    """Return the settings, by dotted key, with which nothing is computed in bfloat16.

    Empty if nothing is. Weights that are trained directly become float32.
    """
    quantization = config.quantization
    uses_bfloat16 = (
        config.training.bf16
        or config.model.dtype == "bfloat16"
        or (
            quantization.enabled
            and "bfloat16" in (quantization.compute_dtype, quantization.quant_storage)
        )
    )
    if not uses_bfloat16:
        return {}
    weights = "float32" if trains_base_weights(config) else "float16"
    changes: dict[str, Any] = {}
    if config.model.dtype == "bfloat16":
        changes["model.dtype"] = weights
    if config.training.bf16:
        changes["training.bf16"] = False
    if not config.training.fp16:
        changes["training.fp16"] = True
    if quantization.compute_dtype == "bfloat16":
        changes["quantization.compute_dtype"] = "float16"
    if quantization.quant_storage == "bfloat16":
        changes["quantization.quant_storage"] = weights
    return changes


def no_bfloat16(gpu: str) -> str:
    """Say that a GPU has no bfloat16."""
    return f"{gpu} has no bfloat16, and PyTorch's emulation of it is many times slower"


def use_float16(changes: Mapping[str, Any]) -> str:
    """Say what to change, without a full stop."""
    settings = ", ".join(f"{key}: {as_text(value)}" for key, value in changes.items())
    return f"Use float16: {settings}"
