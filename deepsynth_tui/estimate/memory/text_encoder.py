"""GPU memory of the text encoder for the instruction: weights, training state, activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.optimizer import (
    BASE_WEIGHT_SIDE,
    FLOAT32,
    optimizer_state_bytes,
)
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.text_encoders import encoder_target_modules

EncoderPart = Literal["text_encoder", "text_projection"]
"""Trainable parts that are in no tower of the model."""

# Bytes per token that an encoder layer without gradient checkpointing saves for backward, per unit
# of hidden and intermediate size (as in `activations`: norms, attention and inputs of linears; a
# gated MLP).
SAVED_HIDDEN = 24
SAVED_INNER = 8


@dataclass(frozen=True, slots=True)
class TextEncoderMemory:
    """GPU bytes of the text encoder at the peak, and its trainable parameters.

    The projection to the decoder's width is always trained. `trained_bytes` is the size of the
    trainable parameters, `optimizer_state` that of their optimizer state.
    """

    total_bytes: int
    by_part: Mapping[EncoderPart, int]
    parameters: int
    trained_bytes: int
    optimizer_state: int

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        return sum(self.by_part.values())


NO_ENCODER = TextEncoderMemory(0, {}, 0, 0, 0)


def text_encoder_memory(
    config: TrainingConfig, layout: ModelLayout, encoder: ModelLayout | None
) -> TextEncoderMemory:
    """Memory of the text encoder; zero if it is disabled or its layout is not known yet."""
    settings = config.text_encoder
    if not settings.enabled or encoder is None:
        return NO_ENCODER
    optim = config.training.optim
    width = DTYPE_BYTES[config.model.dtype]
    weights = width * encoder.total_params
    # A linear with bias from the encoder's hidden size to the decoder's, in float32.
    projection = (encoder.text.hidden + 1) * layout.text.hidden
    adapters = _adapter_parameters(config, encoder)
    full = encoder.total_params if settings.trainable == "full" else 0
    float32 = projection + adapters
    optimizer_state = optimizer_state_bytes(
        optim, float32, FLOAT32, smaller_side=config.lora.r
    ) + optimizer_state_bytes(optim, full, width, smaller_side=BASE_WEIGHT_SIDE)
    gradients = FLOAT32 * float32 + width * full
    return TextEncoderMemory(
        total_bytes=weights
        + FLOAT32 * float32
        + gradients
        + optimizer_state
        + _activations(config, encoder),
        by_part=_by_part(adapters + full, projection),
        parameters=encoder.total_params + projection,
        trained_bytes=FLOAT32 * float32 + width * full,
        optimizer_state=optimizer_state,
    )


def _by_part(encoder: int, projection: int) -> dict[EncoderPart, int]:
    parts: dict[EncoderPart, int] = {"text_projection": projection}
    return {"text_encoder": encoder, **parts} if encoder else parts


def _adapter_parameters(config: TrainingConfig, encoder: ModelLayout) -> int:
    """LoRA on every linear of the encoder, with the rank of the model's adapters."""
    if config.text_encoder.trainable != "lora":
        return 0
    shapes = (encoder.linears[name].shape for name in encoder_target_modules(encoder.linears))
    return sum(config.lora.r * sum(shape) for shape in shapes)


def _activations(config: TrainingConfig, encoder: ModelLayout) -> int:
    """Bytes saved for backward: none for a frozen encoder. Checkpointing does not apply to it."""
    if config.text_encoder.trainable == "frozen":
        return 0
    text = encoder.text
    rows = config.training.per_device_train_batch_size
    per_token = text.layers * (SAVED_HIDDEN * text.hidden + SAVED_INNER * text.intermediate)
    return rows * config.text_encoder.max_length * per_token
