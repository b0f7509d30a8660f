"""Activations of the language model that are saved for backward, layer by layer.

The coefficients count the tensors that autograd saves in transformers 5.23 and PEFT 0.21 with
SDPA attention, RMSNorm and a gated MLP in bf16. They were read off
``torch.autograd.graph.saved_tensors_hooks`` over a grid of widths and match it to the byte;
``tests/estimate/test_activations.py`` repeats the measurement. All are bytes per token and
unit of width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import is_offloaded, recomputed_layers
from deepsynth_tui.estimate.memory.adapters import adapter_activation_bytes, casts_inputs
from deepsynth_tui.estimate.memory.linear_attention import linear_attention_bytes
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES, is_quantized
from deepsynth_tui.models.layout import DecoderLayer, ModelLayout, TextDimensions, WeightGroup
from deepsynth_tui.models.lora_targets import layer_index
from deepsynth_tui.models.quantized_weights import is_quantized_tower
from deepsynth_tui.models.towers import Tower
from deepsynth_tui.models.vision_layers import layers_before

HALF = 2
FLOAT32 = 4
NORM_INPUT = 4  # float32 copy of the hidden states, for each norm of a layer
NORM_OUTPUT = 2  # saved only if the norm's weight is trained
GATED_MLP = 6  # gate, its activation, and up: 2 bytes each
PLAIN_MLP = 2  # input of the activation
UNFUSED_MLP = 14  # intermediate results of an activation written in Python (`NewGELUActivation`)
UNFUSED = frozenset({"gelu_new", "gelu_fast"})
ATTENTION = 4  # rotated queries (or keys) and the output (or values): 2 bytes each
ROW_OUTPUT = 2  # outputs of the attention of each row, which `padding_free` joins
OUTPUT_GATE = 4  # sigmoid of the gate, and the output that it multiplies
HEAD_NORM = 4  # float32 input of a norm on queries or keys (Qwen3)
ROUTED_OUTPUT = 2  # an expert's output, saved for the product with its router weight
# Workspace of a layer's backward: gradients of the MLP's three intermediate tensors, and of the
# hidden states in and out. Measured as above, with a dispatch mode that counts storages.
BACKWARD_MLP = 6
BACKWARD_MLP_UNCOPIED = 2  # without float32 gradients of the inputs of adapters
BACKWARD_HIDDEN = 10
# Workspace at the end of a layer's forward: the input of the last linear, its float32 copy for an
# adapter, and that copy after dropout.
FORWARD_MLP = 2
FORWARD_COPY = 4
FORWARD_HIDDEN = 6
SCORE_BIAS = 2  # the bias that SDPA makes of a boolean mask and saves in every layer
SOFT_CAP = 2  # output of the tanh of soft capping
FINAL_HIDDEN = 4  # float32 input of the last norm


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch: `rows`, each padded to `length` tokens (image tokens included)."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        """Tokens of the batch, padding included."""
        return self.rows * self.length


@dataclass(frozen=True, slots=True)
class ActivationMemory:
    """Bytes of the language model's activations for one micro-batch.

    `saved` for backward by all layers. `layer_backward` is allocated on top of it during the
    backward of the largest layer: its workspace and, with gradient checkpointing, its recomputed
    activations. `last_backward` is all that is allocated during the backward of the last layer.
    `logits` is the workspace of the loss.
    """

    saved: int
    layer_backward: int
    last_backward: int
    logits: int


def activation_memory(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    batch: Batch,
    stack: StackVersion = INSTALLED,
) -> ActivationMemory:
    """Activations of the language model."""
    text = layout.text
    width = FLOAT32 if stack.float32_stream else DTYPE_BYTES[config.model.dtype]
    stream_factor = FLOAT32 // HALF if stack.float32_stream else 1
    hidden_states = width * text.hidden * batch.tokens
    adapters = batch.tokens * adapter_activation_bytes(
        config, trainable, "language", stack, float32_norms=layout.has_layer_norm
    )
    autocasts = config.training.bf16 or config.training.fp16
    # Autocast's copies of the float32 adapters, which it keeps until the end of the forward pass.
    half_adapters = HALF * trainable.adapters if autocasts else 0
    adapters += half_adapters
    scores = eager_score_bytes(config, text, batch)
    mask = masked_pairs(config, batch)
    experts = _expert_copies(config, layout, trainable)
    # Adapters and copies of experts are averaged over the layers.
    mean = (adapters + sum(experts)) // text.layers
    saved = [
        _layer_bytes(config, layer, layout, batch)
        + (0 if layer.linear_attention else scores + SCORE_BIAS * mask)
        for layer in layout.layers
    ]
    workspace = batch.tokens * max(
        max(
            stream_factor
            * (
                _backward_mlp(config, layer, stack) * layer.concurrent_inner
                + BACKWARD_HIDDEN * text.hidden
            ),
            (
                FORWARD_MLP
                + adapter_float32_copies(config, trainable, "language", layer.inner, stack)
            )
            * layer.concurrent_inner
            + FORWARD_HIDDEN * text.hidden,
        )
        for layer in layout.layers
    ) + _largest_dequantized(config, layout)
    per_logit = stack.loss_bytes_per_logit + (SOFT_CAP if text.caps_logits else 0)
    logits = per_logit * text.vocab * stack.tokens_with_logits(batch.tokens)
    logits += FINAL_HIDDEN * text.hidden * batch.tokens
    largest_layer = max(saved) + adapters // text.layers + max(experts, default=0) + workspace
    if config.training.gradient_checkpointing:
        int8 = sum(_int8_inputs(config, layer, text) for layer in layout.layers) * batch.tokens
        recomputed = recomputed_layers(config, text.layers, layers_before(layout)["language"])
        stored = {index: size + mean for index, size in enumerate(saved) if index not in recomputed}
        # The layers behind the last that is recomputed have freed theirs when that one begins.
        freed = sum(size for index, size in stored.items() if index > max(recomputed, default=-1))
        inputs, fetched = len(recomputed) * hidden_states, 0
        if is_offloaded(config):
            inputs, fetched = 0, hidden_states
        memory = ActivationMemory(
            saved=inputs + sum(stored.values()) + int8 + mask,
            layer_backward=max(workspace, largest_layer - freed) + fetched,
            last_backward=largest_layer + fetched,
            logits=logits + half_adapters,
        )
    else:
        memory = ActivationMemory(
            saved=sum(saved) + adapters + sum(experts) + mask,
            layer_backward=workspace,
            last_backward=largest_layer,
            logits=logits,
        )
    return _with_trained_tokens(memory, config, layout)


def _with_trained_tokens(
    memory: ActivationMemory, config: TrainingConfig, layout: ModelLayout
) -> ActivationMemory:
    """Add the tables of embeddings that ``trainable_token_indices`` makes in each step.

    Each forward copies the whole table to put the trained rows into it, and the backward makes the
    gradient of the copy (``peft/tuners/trainable_tokens/layer.py``). A tied head keeps the copy or
    its gradient until then.
    """
    if not (config.lora.enabled and config.lora.trainable_token_indices):
        return memory
    shape = (layout.text.vocab, layout.text.hidden)
    table = DTYPE_BYTES[config.model.dtype] * shape[0] * shape[1]
    kept = table if any(group.tied and group.shape == shape for group in layout.weights) else 0
    return replace(
        memory,
        saved=memory.saved + kept,
        layer_backward=memory.layer_backward + kept,
        last_backward=memory.last_backward + table + kept,
    )


def _layer_bytes(
    config: TrainingConfig, layer: DecoderLayer, layout: ModelLayout, batch: Batch
) -> int:
    """Bytes that a layer saves for backward, without those of its adapters."""
    text = layout.text
    full = not config.lora.enabled
    width = (
        NORM_INPUT * layout.norm_width
        + _mlp_width(layer, text) * layer.inner
        + ROUTED_OUTPUT * layer.expert_outputs
        + NORM_INPUT * layer.experts
    )
    if full:
        # Beside norms, inputs of the linears: of queries, keys and values; of gate and up; of down.
        width += NORM_OUTPUT * layout.norm_width + HALF * (2 * text.hidden + layer.inner)
    elif has_int8_linears(config, "language"):
        # The int8 matmul saves its input (bitsandbytes/autograd/_functions.py, `MatMul8bitLt`).
        width += HALF * _int8_width(layer, text)
    if layer.linear_attention:
        attention = linear_attention_bytes(
            text,
            batch.rows,
            batch.length,
            autocast=config.training.bf16 or config.training.fp16,
            trains_weights=full,
        )
        return width * batch.tokens + attention
    return (width + _attention_width(config, layout, batch)) * batch.tokens


def _attention_width(config: TrainingConfig, layout: ModelLayout, batch: Batch) -> int:
    """Bytes per token that the attention of a layer saves."""
    text = layout.text
    padding_free = config.training.padding_free
    queries = text.heads * text.head_dim
    keys = text.kv_heads * text.head_dim
    # A padded batch has a mask, for which SDPA repeats keys and values for every query head.
    key_values = keys if batch.rows == 1 or padding_free else queries
    width = ATTENTION * (queries + key_values)
    if padding_free and batch.rows > 1 and not config.model.uses_flash_attention:
        width += ROW_OUTPUT * queries
    if layout.has_output_gate:
        width += OUTPUT_GATE * queries
    if layout.has_qk_norm:
        width += (HEAD_NORM + (0 if config.lora.enabled else NORM_OUTPUT)) * (queries + keys)
    return width


def _backward_mlp(config: TrainingConfig, layer: DecoderLayer, stack: StackVersion) -> int:
    """Bytes per unit of intermediate size that the backward of an MLP allocates."""
    if not config.lora.enabled or layer.experts or casts_inputs(config, stack):
        return BACKWARD_MLP
    return BACKWARD_MLP_UNCOPIED


def _mlp_width(layer: DecoderLayer, text: TextDimensions) -> int:
    """Bytes per unit of intermediate size that an MLP saves, without its last linear."""
    if layer.gated:
        return GATED_MLP
    return UNFUSED_MLP if text.activation in UNFUSED else PLAIN_MLP


def _int8_inputs(config: TrainingConfig, layer: DecoderLayer, text: TextDimensions) -> int:
    """Bytes per token of inputs of int8 linears that checkpointing does not free.

    ``MatMul8bitLt`` of bitsandbytes keeps them as attributes, outside of autograd's saved tensors.
    """
    if not has_int8_linears(config, "language"):
        return 0
    return HALF * (_int8_width(layer, text) + text.heads * text.head_dim)


def has_int8_linears(config: TrainingConfig, tower: Tower) -> bool:
    """Whether the linears of a tower are quantized to 8 bits."""
    quantization = config.quantization
    return (
        quantization.enabled and quantization.bits == 8 and is_quantized_tower(tower, quantization)
    )


def _int8_width(layer: DecoderLayer, text: TextDimensions) -> int:
    """Sum of the input widths of a layer's int8 linears, without attention's output projection.

    Fused experts are not int8 linears, so a layer with no other MLP has no MLP input either.
    """
    dense = layer.inner - layer.expert_inner
    return (2 if dense else 1) * text.hidden + dense


def masked_pairs(config: TrainingConfig, batch: Batch) -> int:
    """Elements of the attention mask; batches of several rows are assumed to be padded."""
    if batch.rows == 1 or config.model.uses_flash_attention or config.training.padding_free:
        return 0
    return batch.rows * batch.length**2


def adapter_float32_copies(
    config: TrainingConfig,
    trainable: TrainableParameters,
    tower: Tower,
    inner: int,
    stack: StackVersion,
) -> int:
    """Bytes per unit of intermediate size of float32 copies for adapters on the down projection."""
    if not casts_inputs(config, stack):
        return 0
    adapted = any(
        group.tower == tower and group.shape[-1] == inner for group in trainable.targets.values()
    )
    if not adapted:
        return 0
    return FORWARD_COPY * (2 if config.lora.lora_dropout > 0 else 1)


def eager_score_bytes(config: TrainingConfig, text: TextDimensions, batch: Batch) -> int:
    """Attention probabilities, in float32 and half precision, that only eager attention saves."""
    if config.model.attn_implementation != "eager":
        return 0
    width = FLOAT32 + HALF + (SOFT_CAP if text.caps_scores else 0)
    return width * text.heads * batch.rows * batch.length**2


def _largest_dequantized(config: TrainingConfig, layout: ModelLayout) -> int:
    """The largest 4-bit linear, dequantized to half precision for its matmul."""
    if not config.quantization.enabled or config.quantization.bits != 4:
        return 0
    return HALF * max(
        (
            group.elements
            for group in layout.weights
            if group.convertible and is_quantized(group.first_name, group, config)
        ),
        default=0,
    )


def _expert_copies(
    config: TrainingConfig, layout: ModelLayout, trainable: TrainableParameters
) -> Iterable[int]:
    """Bytes of fused experts per layer that each forward computes anew and saves for backward.

    Quantized experts are dequantized as a whole. Adapted experts (``target_parameters``) are the
    sum of the base and the product of the adapter.
    """
    layers: dict[int | None, int] = {}
    adapted: Mapping[str, WeightGroup] = trainable.targets
    for group in layout.weights:
        if group.kind != "fused_experts":
            continue
        for name in group.names:
            if name in adapted or is_quantized(name, group, config):
                index = layer_index(name)
                layers[index] = layers.get(index, 0) + HALF * group.elements
    return layers.values()
