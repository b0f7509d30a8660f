"""Work of the language model: its layers, attention, head and adapters.

A frozen linear costs one matmul forward and one backward (the gradient of its input), a trained one
two backward; gradient checkpointing repeats the forward of the layers, but not of the head. Eager
PyTorch moves every intermediate through memory: the traffic coefficients are bytes read and written
by everything but matmuls and attention, counted over transformers 5.23 and PEFT 0.21 with a
dispatch mode on models of random widths and solved by least squares.
``tests/estimate/test_work.py`` counts whole models again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import recomputed_layers
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import is_quantized
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ModelLayout, WeightGroup

HALF, FLOAT32 = 2, 4
# Pairs are (forward, backward). Bytes per token and unit of width of a decoder layer: hidden states
# (norms, residuals), intermediate size of the MLP (activation, product), queries and keys
# (rotation; more if they are normalised), outputs of the routed experts.
HIDDEN_TRAFFIC = (85, 213)
INNER_TRAFFIC = (10, 18)
ROTARY_TRAFFIC = (21, 32)
HEAD_NORM_TRAFFIC = (37, 96)
ROUTED_TRAFFIC = (13, 29)
# Bytes per logit (float32 copy, log-softmax and its gradient), and per score of eager attention.
LOGIT_TRAFFIC = (18, 26)
SCORE_TRAFFIC = (29, 28)
# Bytes per unit of an adapter's input and output beside its matmuls, with autocast and without:
# casts of the input, scaling and addition of the output. Dropout runs in float32. The two thin
# matmuls read or write the wide side once forward and twice backward.
ADAPTER_INPUT = {True: 12, False: 6}
ADAPTER_OUTPUT = {True: (11, 7), False: (25, 16)}
DROPOUT_TRAFFIC = (27, 12)
THIN_MATMUL = (1, 2)
# Kernel launches of a decoder layer, of its mixture of experts, of each expert that is a module of
# its own, of the loss, of an adapter and of its dropout: operations that the same dispatch mode
# counted.
LAYER_KERNELS = (38, 65)
MIXTURE_KERNELS = (30, 40)
EXPERT_KERNELS = (10, 16)
LOSS_KERNELS = 40
ADAPTER_KERNELS = (8, 7)
DROPOUT_KERNELS = (3, 1)
# Bytes per element to dequantize a weight before its matmul: read, and written in half precision.
DEQUANTIZED_BYTES = {4: 0.5 + HALF, 8: 1 + HALF}


@dataclass(frozen=True, slots=True)
class Passes:
    """Mean number of forward passes of a layer, and of backward matmuls per linear (1 frozen, 2
    trained)."""

    forward: float
    backward_matmuls: int

    def total(self, pair: tuple[float, float]) -> float:
        """The sum of a (forward, backward) pair over the passes of a micro-batch."""
        return self.forward * pair[0] + pair[1]


def forward_passes(config: TrainingConfig, layers: int) -> float:
    """The mean number of forward passes of a layer: 2 for one that is recomputed."""
    if not config.training.gradient_checkpointing:
        return 1.0
    return 1 + len(recomputed_layers(config, layers)) / layers


def is_masked(config: TrainingConfig) -> bool:
    """Whether attention has a mask: SDPA with rows of different lengths."""
    return (
        config.model.attn_implementation == "sdpa"
        and config.training.per_device_train_batch_size > 1
        and not config.training.padding_free
    )


def layers_work(config: TrainingConfig, layout: ModelLayout, passes: Passes, tokens: float) -> Work:
    """Linears of the decoder layers and everything between them."""
    text = layout.text
    active, stored, quantized = 0.0, 0, 0
    has_expert_modules = False
    for group in layout.weights:
        if group.tower != "language" or group.kind in ("embedding", "norm"):
            continue
        fraction = 1.0
        if group.kind == "fused_experts" or ".experts.*." in group.pattern:
            has_expert_modules = has_expert_modules or group.kind != "fused_experts"
            fraction = text.experts_per_token / max(text.experts, 1)
        active += fraction * group.parameters
        stored += group.parameters
        if is_quantized(group.first_name, group, config):
            quantized += group.parameters
    mixtures = sum(1 for layer in layout.layers if layer.experts)
    rotated = text.layers * (text.heads + text.kv_heads) * text.head_dim
    traffic = (
        passes.total(HIDDEN_TRAFFIC) * text.layers * text.hidden
        + passes.total(INNER_TRAFFIC) * sum(layer.inner for layer in layout.layers)
        + passes.total(ROTARY_TRAFFIC) * rotated
        + passes.total(ROUTED_TRAFFIC) * sum(layer.expert_outputs for layer in layout.layers)
    )
    if layout.has_qk_norm:
        traffic += passes.total(HEAD_NORM_TRAFFIC) * rotated
    kernels = passes.total(LAYER_KERNELS) * text.layers + passes.total(MIXTURE_KERNELS) * mixtures
    if has_expert_modules:
        kernels += passes.total(EXPERT_KERNELS) * mixtures * text.experts
    matmuls = passes.forward + passes.backward_matmuls
    return Work(
        matmul_flops=2 * tokens * active * matmuls,
        weight_bytes=HALF * stored * matmuls,
        elementwise_bytes=tokens * traffic,
        dequantized_bytes=DEQUANTIZED_BYTES[config.quantization.bits]
        * quantized
        * (passes.forward + 1),
        kernel_launches=kernels,
    )


def attention_work(
    config: TrainingConfig, layout: ModelLayout, passes: Passes, tokens: float, length: float
) -> Work:
    """Attention: two matmuls forward and five backward (which recomputes the scores).

    They cover all pairs of positions with a mask, half of them with a causal kernel.
    """
    text = layout.text
    layers = sum(1 for layer in layout.layers if not layer.linear_attention)
    pairs_flops = 4 * tokens * length * text.heads * text.head_dim * layers
    if config.model.attn_implementation == "eager":
        scores = tokens * length * text.heads * layers
        return Work(
            matmul_flops=pairs_flops * (passes.forward + 2),
            elementwise_bytes=passes.total(SCORE_TRAFFIC) * scores,
        )
    flops = pairs_flops * (passes.forward + 2.5)
    return (
        Work(masked_attention_flops=flops)
        if is_masked(config)
        else Work(causal_attention_flops=flops / 2)
    )


def head_work(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    passes: Passes,
    tokens: float,
) -> Work:
    """The LM head over `tokens`, and the loss. A trained head makes its logits twice."""
    text = layout.text
    size = text.vocab * text.hidden
    is_trained = not config.lora.enabled or trainable.by_tower.get("head", 0) >= size
    matmuls = 1 + passes.backward_matmuls
    traffic = sum(LOGIT_TRAFFIC)
    if is_trained:
        matmuls += 2 if config.lora.enabled else 1
        traffic += LOGIT_TRAFFIC[0]
    return Work(
        matmul_flops=2 * tokens * size * matmuls,
        weight_bytes=HALF * size * matmuls,
        elementwise_bytes=tokens * traffic * text.vocab,
        kernel_launches=LOSS_KERNELS,
    )


def adapters_work(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    passes: Passes,
    tokens: float,
) -> Work:
    """Adapters of the decoder; of fused experts only those that a token is routed to."""
    targets = trainable.targets.values()
    autocast = config.training.bf16 or config.training.fp16
    inputs, outputs, count = _widths(targets)
    thin = (HALF if autocast else FLOAT32) * passes.total(THIN_MATMUL)
    per_input = passes.forward * ADAPTER_INPUT[autocast] + thin
    kernels = passes.total(ADAPTER_KERNELS)
    if config.lora.lora_dropout > 0:
        per_input += passes.total(DROPOUT_TRAFFIC)
        kernels += passes.total(DROPOUT_KERNELS)
    per_output = passes.total(ADAPTER_OUTPUT[autocast]) + thin
    parameters = trainable.adapters
    if any(group.kind == "fused_experts" for group in targets):
        parameters *= layout.text.experts_per_token / max(layout.text.experts, 1)
    return Work(
        matmul_flops=2 * tokens * parameters * (passes.forward + 2),
        elementwise_bytes=tokens * (per_input * inputs + per_output * outputs),
        kernel_launches=kernels * count,
    )


def _widths(targets: Iterable[WeightGroup]) -> tuple[int, int, int]:
    """Sums of the input and output widths of the decoder's adapted linears, and their number."""
    inputs = outputs = count = 0
    for group in targets:
        if group.tower == "language" and len(group.shape) == 2:
            outputs += group.shape[0]
            inputs += group.shape[1]
            count += 1
    return inputs, outputs, count
