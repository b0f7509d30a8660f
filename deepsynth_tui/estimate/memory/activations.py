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
from deepsynth_tui.estimate.memory.adapters import adapter_bytes
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES, is_quantized
from deepsynth_tui.models.layout import DecoderLayer, ModelLayout, TextDimensions, WeightGroup
from deepsynth_tui.models.lora_targets import layer_index

HALF = 2
FLOAT32 = 4
NORM_INPUT = 4  # float32 copy of the hidden stream, for each norm of a layer
NORM_OUTPUT = 2  # kept only where the norm's weight learns
GATED_MLP = 6  # gate, its activation, and up: 2 bytes each
PLAIN_MLP = 2  # input of the activation
UNFUSED_MLP = 14  # its steps, where it is written out in Python (`NewGELUActivation`)
UNFUSED = frozenset({"gelu_new", "gelu_fast"})
ATTENTION = 4  # rotated queries (or keys) and the output (or values): 2 bytes each
HEAD_NORM = 4  # float32 input of a norm on queries or keys (Qwen3)
ROUTED_OUTPUT = 2  # an expert's output, kept to weigh it
# Working set of one layer's backward: gradients of the MLP's three inner tensors, and of the
# hidden stream in and out. Measured as above, with a storage-counting dispatch mode.
BACKWARD_MLP = 6
BACKWARD_HIDDEN = 10
# The same at the end of its forward: the product that goes into the last linear, its float32 copy
# for an adapter, and that after dropout.
FORWARD_MLP = 2
FORWARD_COPY = 4
FORWARD_HIDDEN = 6
SCORE_BIAS = 2  # what SDPA makes of a boolean mask in every layer, and keeps
CAP = 2  # output of the tanh of a soft cap
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
class ActivationMemory:
    """Bytes for one batch.

    `kept` by all layers until their backward; `layer` is the largest layer recomputed (or, without
    checkpointing, its working set alone) in its backward; `last` what there is while the last of
    them goes backward; `logits` the block of the loss.
    """

    kept: int
    layer: int
    last: int
    logits: int


def activation_memory(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    batch: Batch,
    software: StackVersion = INSTALLED,
) -> ActivationMemory:
    """Activations of the language model."""
    text = profile.text
    width = FLOAT32 if software.wide_stream else DTYPE_BYTES[config.model.dtype]
    wide = FLOAT32 // HALF if software.wide_stream else 1
    stream = width * text.hidden * batch.tokens
    adapters = adapter_bytes(config, trainable, "language") * batch.tokens
    if config.training.bf16 or config.training.fp16:
        adapters += HALF * trainable.adapters  # autocast's copies of the float32 adapters
    saved = [_layer_bytes(config, layer, profile, batch) for layer in profile.layers]
    scores = eager_scores(config, text, batch)
    mask = _pairs(config, batch)
    working = batch.tokens * max(
        max(
            wide * (BACKWARD_MLP * layer.at_once + BACKWARD_HIDDEN * text.hidden),
            (FORWARD_MLP + float32_copies(config, trainable, layer)) * layer.at_once
            + FORWARD_HIDDEN * text.hidden,
        )
        for layer in profile.layers
    ) + _largest_dequantised(config, profile)
    bias = SCORE_BIAS * mask
    experts = _expert_copies(config, profile, trainable)
    per_logit = software.logits + (CAP if text.caps_logits else 0)
    logits = (per_logit * text.vocab + FINAL_HIDDEN * text.hidden) * batch.tokens
    one = max(saved) + adapters // text.layers + scores + bias + max(experts, default=0) + working
    if config.training.gradient_checkpointing:
        inputs = sum(_int8_inputs(config, layer, text) for layer in profile.layers) * batch.tokens
        kept = text.layers * stream + inputs
        return ActivationMemory(kept=kept + mask, layer=one, last=one, logits=logits)
    kept = sum(saved) + adapters + text.layers * (scores + bias) + sum(experts)
    return ActivationMemory(kept=kept + mask, layer=working, last=one, logits=logits)


def _layer_bytes(
    config: TrainingConfig, layer: DecoderLayer, profile: ModelLayout, batch: Batch
) -> int:
    """Bytes one layer keeps of its own computation, adapters apart."""
    text = profile.text
    queries = text.heads * text.head_dim
    keys = text.kv_heads * text.head_dim
    # A padded batch has a mask, for which SDPA needs keys and values of every head.
    attended = keys if batch.rows == 1 else queries
    width = (
        NORM_INPUT * profile.norm_width
        + _mlp_width(layer, text) * layer.inner
        + ATTENTION * (queries + attended)
        + ROUTED_OUTPUT * layer.routed
        + NORM_INPUT * layer.experts
    )
    if profile.norms_heads:
        width += HEAD_NORM * (queries + keys)
    learns = not config.lora.enabled
    if learns:
        width += NORM_OUTPUT * profile.norm_width
        if profile.norms_heads:
            width += NORM_OUTPUT * (queries + keys)
    if learns:
        # Inputs of the linears: of queries, keys and values; of gate and up; of down.
        width += HALF * (2 * text.hidden + layer.inner)
    elif config.quantization.enabled and config.quantization.bits == 8:
        # The int8 matmul keeps its input (bitsandbytes/autograd/_functions.py, `MatMul8bitLt`).
        width += HALF * _int8_width(layer, text)
    return width * batch.tokens


def _mlp_width(layer: DecoderLayer, text: TextDimensions) -> int:
    """Bytes per inner width that an MLP keeps, its last linear apart."""
    if layer.gated:
        return GATED_MLP
    return UNFUSED_MLP if text.activation in UNFUSED else PLAIN_MLP


def _int8_inputs(config: TrainingConfig, layer: DecoderLayer, text: TextDimensions) -> int:
    """Inputs of the linears of a layer, per token, that checkpointing does not free.

    ``MatMul8bitLt`` of bitsandbytes keeps them as attributes, which autograd knows nothing of.
    """
    if not config.quantization.enabled or config.quantization.bits != 8:
        return 0
    return HALF * (_int8_width(layer, text) + text.heads * text.head_dim)


def _int8_width(layer: DecoderLayer, text: TextDimensions) -> int:
    """Widths of a layer's inputs of int8 linears, that of attention's last apart.

    Fused experts are none; a layer that has only those has no MLP input either.
    """
    dense = layer.inner - layer.chosen
    return (2 if dense else 1) * text.hidden + dense


def _pairs(config: TrainingConfig, batch: Batch) -> int:
    """Pairs of positions that a mask tells of: a batch of several rows is taken to be padded."""
    if batch.rows == 1 or config.model.attn_implementation == "flash_attention_2":
        return 0
    return batch.rows * batch.length**2


def float32_copies(
    config: TrainingConfig, trainable: TrainableParameters, layer: DecoderLayer
) -> int:
    """Bytes per inner width of float32 copies for an adapter on the MLP's last linear."""
    adapted = any(
        group.tower == "language" and group.shape[-1] == layer.inner
        for group in trainable.targets.values()
    )
    if not adapted:
        return 0
    return FORWARD_COPY * (2 if config.lora.lora_dropout > 0 else 1)


def eager_scores(config: TrainingConfig, text: TextDimensions, batch: Batch) -> int:
    """Attention probabilities, in float32 and in half, that only eager attention keeps."""
    if config.model.attn_implementation != "eager":
        return 0
    width = FLOAT32 + HALF + (CAP if text.caps_scores else 0)
    return width * text.heads * batch.rows * batch.length**2


def _largest_dequantised(config: TrainingConfig, profile: ModelLayout) -> int:
    """The largest 4-bit linear, which is multiplied in half precision."""
    if not config.quantization.enabled or config.quantization.bits != 4:
        return 0
    return HALF * max((g.elements for g in profile.weights if g.convertible), default=0)


def _expert_copies(
    config: TrainingConfig, profile: ModelLayout, trainable: TrainableParameters
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
            if name in adapted or is_quantized(name, group, config):
                number = layer_index(name)
                layers[number] = layers.get(number, 0) + HALF * group.elements
    return layers.values()
