"""Rules on the dtype of weights that are trained directly.

Adapters are float32 whatever the dtype of the model. Other trained weights have `model.dtype`: in
half precision, an update below 1/256 (bfloat16) or 1/2048 (float16) of a weight is rounded away,
and PyTorch's GradScaler refuses float16 gradients.
"""

from __future__ import annotations

from typing import Any

from deepsynth_tui.config.rules.rule import Rule


def _is_half(config: Any) -> bool:
    return config.model.dtype != "float32"


def _trains_encoder(config: Any) -> bool:
    return config.text_encoder.enabled and config.text_encoder.trainable == "full"


PRECISION_RULES = (
    Rule(
        ("model.dtype", "lora.enabled", "quantization.enabled"),
        lambda c: (
            not c.lora.enabled and not c.quantization.enabled and _is_half(c) and c.model.dtype
        ),
        "{} is too coarse for weights that are trained directly: it rounds small updates away",
        "set it to float32, or turn lora.enabled on; training.bf16 computes in bfloat16 either way",
        blocks_start_only=True,
    ),
    Rule(
        ("text_encoder.trainable", "text_encoder.enabled", "model.dtype"),
        lambda c: _trains_encoder(c) and _is_half(c) and c.model.dtype,
        "{} is too coarse for weights that are trained directly",
        "set it to lora or frozen, or model.dtype to float32",
        blocks_start_only=True,
    ),
    Rule(
        ("lora.modules_to_save", "lora.enabled", "training.fp16", "model.dtype"),
        lambda c: (
            c.lora.enabled and bool(c.lora.modules_to_save) and c.training.fp16 and _is_half(c)
        ),
        "training.fp16 scales gradients, which PyTorch does only for weights in float32",
        "set model.dtype to float32, leave it empty, or use training.bf16",
        blocks_start_only=True,
    ),
    Rule(
        ("lora.bias", "lora.enabled", "training.fp16", "model.dtype"),
        lambda c: c.lora.enabled and c.lora.bias != "none" and c.training.fp16 and _is_half(c),
        "training.fp16 scales gradients, which PyTorch does only for weights in float32",
        "set model.dtype to float32, set it to none, or use training.bf16",
        blocks_start_only=True,
    ),
)
