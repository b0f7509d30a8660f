"""Bytes that the forward pass keeps for the backward pass, layer by layer.

The coefficients count the tensors that autograd saves in transformers 5.23 and PEFT 0.21 with
SDPA attention, RMSNorm and a gated MLP in bf16. They were read off
``torch.autograd.graph.saved_tensors_hooks`` over a grid of widths and reproduce it to the byte;
``tests/estimate/test_activations.py`` repeats that. All are bytes per token and unit of width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import Trainable
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES, is_quantised
from deepsynth_tui.estimate.profiles.profile import Layer, ModelProfile, TextFigures, WeightGroup
from deepsynth_tui.estimate.profiles.towers import layer_index

HALF = 2
NORM_INPUT = 4  # float32 copy of the hidden stream, for each of the two norms of a layer
NORM_OUTPUT = 2  # kept only where the norm's weight learns
GATED_MLP = 6  # gate, its activation, and up: 2 bytes each
ATTENTION = 4  # rotated queries (or keys) and the output (or values): 2 bytes each
HEAD_NORM = 4  # float32 input of a norm on queries or keys (Qwen3)
ROUTED_OUTPUT = 2  # an expert's output, kept to weigh it
# Working set of one layer's backward: gradients of the MLP's three inner tensors, and of the
# hidden stream in and out. Measured as above, with a storage-counting dispatch mode.
BACKWARD_MLP = 6
BACKWARD_HIDDEN = 10
# Cross-entropy over float32 logits: log-softmax, its gradient and theirs
# (transformers/loss/loss_utils.py, `ForCausalLMLoss`).
LOGITS = 12
FINAL_HIDDEN = 4  # float32 input of the last norm


@dataclass(frozen=True, slots=True)
class Batch:
    """What is on the GPU at once: rows, and tokens of the longest, image tokens included."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        return self.rows * self.length


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes for one batch.

    `kept` by all layers until their backward; `layer` is the largest layer recomputed (or, without
    checkpointing, its working set alone) in its backward; `logits` the block of the loss.
    """

    kept: int
    layer: int
    logits: int


def activations(
    config: TrainingConfig, profile: ModelProfile, trainable: Trainable, batch: Batch
) -> Activations:
    """Activations of the language model."""
    text = profile.text
    stream = DTYPE_BYTES[config.model.dtype] * text.hidden * batch.tokens
    adapters = _adapter_bytes(config, trainable) * batch.tokens
    if config.training.bf16 or config.training.fp16:
        adapters += HALF * trainable.adapters  # autocast's copies of the float32 adapters
    saved = [_layer_bytes(config, layer, profile, batch) for layer in profile.layers]
    scores = _eager_scores(config, text, batch)
    mask = batch.rows * batch.length**2 if batch.rows > 1 else 0
    working = (
        max(BACKWARD_MLP * layer.inner for layer in profile.layers) + BACKWARD_HIDDEN * text.hidden
    ) * batch.tokens + _largest_dequantised(config, profile)
    experts = _expert_copies(config, profile, trainable)
    logits = (LOGITS * text.vocab + FINAL_HIDDEN * text.hidden) * batch.tokens
    if config.training.gradient_checkpointing:
        recomputed = max(saved) + adapters // text.layers + scores + max(experts, default=0)
        return Activations(
            kept=text.layers * stream + mask, layer=recomputed + working, logits=logits
        )
    kept = sum(saved) + adapters + text.layers * scores + sum(experts)
    return Activations(kept=kept + mask, layer=working, logits=logits)


def _layer_bytes(config: TrainingConfig, layer: Layer, profile: ModelProfile, batch: Batch) -> int:
    """Bytes one layer keeps of its own computation, adapters apart."""
    text = profile.text
    queries = text.heads * text.head_dim
    keys = text.kv_heads * text.head_dim
    # A padded batch has a mask, for which SDPA needs keys and values of every head.
    attended = keys if batch.rows == 1 else queries
    width = (
        2 * NORM_INPUT * text.hidden
        + GATED_MLP * layer.inner
        + ATTENTION * (queries + attended)
        + ROUTED_OUTPUT * layer.routed
        + NORM_INPUT * layer.experts
    )
    if profile.norms_heads:
        width += HEAD_NORM * (queries + keys)
    learns = not config.lora.enabled
    if learns:
        width += 2 * NORM_OUTPUT * text.hidden
        if profile.norms_heads:
            width += NORM_OUTPUT * (queries + keys)
    if learns or (config.quantization.enabled and config.quantization.bits == 8):
        # Inputs of the linears: of queries, keys and values; of gate and up; of down. The int8
        # matmul keeps them too (bitsandbytes/autograd/_functions.py, `MatMul8bitLt`).
        width += HALF * (2 * text.hidden + layer.inner)
    return width * batch.tokens


def _adapter_bytes(config: TrainingConfig, trainable: Trainable) -> int:
    """Bytes per token that all adapters of the language model keep of their inputs.

    Under autocast a copy in half precision, plain float32 otherwise; dropout adds its mask of one
    byte, and the rank-wide middle tensor comes on top (``peft/tuners/lora/layer.py``).
    """
    training = config.training
    width = HALF if training.bf16 or training.fp16 else 4
    per_input = width + (1 if config.lora.lora_dropout > 0 else 0)
    linears = [
        group
        for group in trainable.targets.values()
        if group.tower == "language" and len(group.shape) == 2
    ]
    return sum(per_input * group.shape[1] + width * config.lora.r for group in linears)


def _eager_scores(config: TrainingConfig, text: TextFigures, batch: Batch) -> int:
    """Attention probabilities, in float32 and in half, that only eager attention keeps."""
    if config.model.attn_implementation != "eager":
        return 0
    return (4 + HALF) * text.heads * batch.rows * batch.length**2


def _largest_dequantised(config: TrainingConfig, profile: ModelProfile) -> int:
    """The largest 4-bit linear, which is multiplied in half precision."""
    if not config.quantization.enabled or config.quantization.bits != 4:
        return 0
    return HALF * max((g.elements for g in profile.weights if g.convertible), default=0)


def _expert_copies(
    config: TrainingConfig, profile: ModelProfile, trainable: Trainable
) -> Iterable[int]:
    """Per layer, bytes of fused experts made anew for each forward pass and kept for backward.

    Quantised ones are dequantised whole; adapted ones (``target_parameters``) are the base plus
    the product of the adapter.
    """
    layers: dict[int | None, int] = {}
    adapted: Mapping[str, WeightGroup] = trainable.targets
    for group in profile.weights:
        if group.kind != "fused_experts":
            continue
        for name in group.names:
            if name in adapted or is_quantised(name, group, config):
                number = layer_index(name)
                layers[number] = layers.get(number, 0) + HALF * group.elements
    return layers.values()
