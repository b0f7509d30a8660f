"""What a second encoder for the instruction adds: weights, what it trains, its activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.optimizer import FLOAT32, WIDE, optimizer_state_bytes
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.layout import ModelLayout
from deepsynth_tui.models.text_encoders import encoder_target_modules

EncoderPart = Literal["text_encoder", "text_projection"]
"""What learns beside the towers of the model."""

# Bytes per token of one un-checkpointed encoder layer, in units of hidden and inner width
# (`activations`: norms, attention and inputs of linears; a gated MLP).
SAVED_HIDDEN = 24
SAVED_INNER = 8


@dataclass(frozen=True, slots=True)
class TextEncoderMemory:
    """Bytes on the GPU at the peak, and parameters that learn (the projection always does).

    `saved` are the bytes of those parameters, and `states` those of their optimizer states.
    """

    bytes: int
    by_part: Mapping[EncoderPart, int]
    parameters: int
    saved: int
    states: int

    @property
    def trainable(self) -> int:
        return sum(self.by_part.values())


NO_ENCODER = TextEncoderMemory(0, {}, 0, 0, 0)


def text_encoder_memory(
    config: TrainingConfig, profile: ModelLayout, encoder: ModelLayout | None
) -> TextEncoderMemory:
    """The encoder beside the model; all zero where there is none, or it has no profile yet."""
    settings = config.text_encoder
    if not settings.enabled or encoder is None:
        return NO_ENCODER
    optim = config.training.optim
    width = DTYPE_BYTES[config.model.dtype]
    weights = width * encoder.total_params
    # A linear with bias from the encoder's width to the decoder's, in float32.
    projection = (encoder.text.hidden + 1) * profile.text.hidden
    adapters = _adapter_parameters(config, encoder)
    whole = encoder.total_params if settings.trainable == "full" else 0
    wide = projection + adapters
    states = optimizer_state_bytes(
        optim, wide, FLOAT32, edge=config.lora.r
    ) + optimizer_state_bytes(optim, whole, width, edge=WIDE)
    gradients = FLOAT32 * wide + width * whole
    return TextEncoderMemory(
        bytes=weights + FLOAT32 * wide + gradients + states + _activations(config, encoder),
        by_part=_by_part(adapters + whole, projection),
        parameters=encoder.total_params + projection,
        saved=FLOAT32 * wide + width * whole,
        states=states,
    )


def _by_part(learning: int, projection: int) -> dict[EncoderPart, int]:
    parts: dict[EncoderPart, int] = {"text_projection": projection}
    return {"text_encoder": learning, **parts} if learning else parts


def _adapter_parameters(config: TrainingConfig, encoder: ModelLayout) -> int:
    """LoRA on every linear of the encoder, at the rank of the model's adapters."""
    if config.text_encoder.trainable != "lora":
        return 0
    shapes = (encoder.linears[name].shape for name in encoder_target_modules(encoder.linears))
    return sum(config.lora.r * sum(shape) for shape in shapes)


def _activations(config: TrainingConfig, encoder: ModelLayout) -> int:
    """Kept for backward only if something inside the encoder learns; it is not checkpointed."""
    if config.text_encoder.trainable == "frozen":
        return 0
    text = encoder.text
    rows = config.training.per_device_train_batch_size
    per_token = text.layers * (SAVED_HIDDEN * text.hidden + SAVED_INNER * text.intermediate)
    return rows * config.text_encoder.max_length * per_token
