"""Work of the language model: its layers, attention, head and adapters.

A frozen linear costs one matmul forward and one backward (the gradient of its input), a trained one
two backward; checkpointing repeats the forward of the layers, not of the head. Eager PyTorch moves
every intermediate through memory: the traffic coefficients are bytes read and written by everything
but matmuls and attention, counted over transformers 5.23 and PEFT 0.21 with a dispatch mode on
models of random widths and solved by least squares. ``tests/estimate/test_work.py`` counts whole
models again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import is_quantized
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ModelLayout, WeightGroup

HALF, FLOAT32 = 2, 4
# Pairs are (forward, backward). Bytes per token and unit of width of a decoder layer: hidden
# stream (norms, residuals), inner width of the MLP (activation, product), queries and keys
# (rotation; more where they pass a norm of their own), outputs of the chosen experts.
HIDDEN_TRAFFIC = (85, 213)
INNER_TRAFFIC = (10, 18)
ROTARY_TRAFFIC = (21, 32)
HEAD_NORM_TRAFFIC = (37, 96)
ROUTED_TRAFFIC = (13, 29)
# Bytes per logit (float32 copy, log-softmax and its gradient), and per score of eager attention.
LOGIT_TRAFFIC = (18, 26)
SCORE_TRAFFIC = (29, 28)
# Bytes per unit of an adapter's input and output beside its matmuls, under autocast and without:
# casts of the input, scaling and addition of the output. Dropout draws in float32. Its two thin
# matmuls read or write the wide side once forward, twice backward.
ADAPTER_INPUT = {True: 12, False: 6}
ADAPTER_OUTPUT = {True: (11, 7), False: (25, 16)}
DROPOUT_TRAFFIC = (27, 12)
THIN_MATMUL = (1, 2)
# Kernels of a decoder layer, of its mixture of experts, of each expert called by itself, of an
# adapter and of its dropout: operations that reached the dispatcher in the same count.
LAYER_KERNELS = (38, 65)
MIXTURE_KERNELS = (30, 40)
EXPERT_KERNELS = (10, 16)
ADAPTER_KERNELS = (8, 7)
DROPOUT_KERNELS = (3, 1)
# Bytes moved to make a quantised weight wide before its matmul: read, and written in half.
DEQUANTISED_BYTES = {4: 0.5 + HALF, 8: 1 + HALF}


@dataclass(frozen=True, slots=True)
class Passes:
    """How often a layer runs forward, and how many matmuls its frozen or trained weights take
    backward."""

    forward: int
    weights: int

    def of(self, pair: tuple[float, float]) -> float:
        """A (forward, backward) pair over one micro-batch."""
        return self.forward * pair[0] + pair[1]


def is_masked(config: TrainingConfig) -> bool:
    """Whether attention runs under a mask: PyTorch's own, with rows of different lengths."""
    return (
        config.model.attn_implementation == "sdpa"
        and config.training.per_device_train_batch_size > 1
    )


def layers_work(
    config: TrainingConfig, profile: ModelLayout, passes: Passes, tokens: float
) -> Work:
    """Linears of the decoder layers and what lies between them."""
    text = profile.text
    met, held, quantised = 0.0, 0, 0
    apart = False
    for group in profile.weights:
        if group.tower != "language" or group.kind in ("embedding", "norm"):
            continue
        share = 1.0
        if group.kind == "fused_experts" or ".experts.*." in group.pattern:
            apart = apart or group.kind != "fused_experts"
            share = text.experts_per_token / max(text.experts, 1)
        met += share * group.parameters
        held += group.parameters
        if is_quantized(group.first_name, group, config):
            quantised += group.parameters
    mixtures = sum(1 for layer in profile.layers if layer.experts)
    rotated = text.layers * (text.heads + text.kv_heads) * text.head_dim
    traffic = (
        passes.of(HIDDEN_TRAFFIC) * text.layers * text.hidden
        + passes.of(INNER_TRAFFIC) * sum(layer.inner for layer in profile.layers)
        + passes.of(ROTARY_TRAFFIC) * rotated
        + passes.of(ROUTED_TRAFFIC) * sum(layer.routed for layer in profile.layers)
    )
    if profile.norms_heads:
        traffic += passes.of(HEAD_NORM_TRAFFIC) * rotated
    kernels = passes.of(LAYER_KERNELS) * text.layers + passes.of(MIXTURE_KERNELS) * mixtures
    if apart:
        kernels += passes.of(EXPERT_KERNELS) * mixtures * text.experts
    runs = passes.forward + passes.weights
    return Work(
        matmul=2 * tokens * met * runs,
        weights=HALF * held * runs,
        traffic=tokens * traffic,
        dequantised=DEQUANTISED_BYTES[config.quantization.bits] * quantised * (passes.forward + 1),
        kernels=kernels,
    )


def attention_work(
    config: TrainingConfig, profile: ModelLayout, passes: Passes, tokens: float, length: float
) -> Work:
    """Products of queries with keys and of scores with values: two forward, five backward (the
    scores are computed again), over the whole square of a row under a mask, over half without."""
    text = profile.text
    square = 4 * tokens * length * text.heads * text.head_dim * text.layers
    if config.model.attn_implementation == "eager":
        scores = tokens * length * text.heads * text.layers
        return Work(matmul=square * (passes.forward + 2), traffic=passes.of(SCORE_TRAFFIC) * scores)
    flops = square * (passes.forward + 2.5)
    return Work(masked=flops) if is_masked(config) else Work(causal=flops / 2)


def head_work(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    passes: Passes,
    tokens: float,
) -> Work:
    """The head over every token, and the loss."""
    text = profile.text
    size = text.vocab * text.hidden
    saved = config.lora.enabled and trainable.by_tower.get("head", 0) >= size
    runs = 1 + passes.weights + (1 if saved else 0)
    return Work(
        matmul=2 * tokens * size * runs,
        weights=HALF * size * runs,
        traffic=tokens * sum(LOGIT_TRAFFIC) * text.vocab,
    )


def adapters_work(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    passes: Passes,
    tokens: float,
) -> Work:
    """Adapters of the decoder; those of fused experts count for the experts a token meets."""
    targets = trainable.targets.values()
    cast = config.training.bf16 or config.training.fp16
    inputs, outputs, count = _widths(targets)
    thin = (HALF if cast else FLOAT32) * passes.of(THIN_MATMUL)
    into = passes.forward * ADAPTER_INPUT[cast] + thin
    kernels = passes.of(ADAPTER_KERNELS)
    if config.lora.lora_dropout > 0:
        into += passes.of(DROPOUT_TRAFFIC)
        kernels += passes.of(DROPOUT_KERNELS)
    out = passes.of(ADAPTER_OUTPUT[cast]) + thin
    parameters = trainable.adapters
    if any(group.kind == "fused_experts" for group in targets):
        parameters *= profile.text.experts_per_token / max(profile.text.experts, 1)
    return Work(
        matmul=2 * tokens * parameters * (passes.forward + 2),
        traffic=tokens * (into * inputs + out * outputs),
        kernels=kernels * count,
    )


def _widths(targets: Iterable[WeightGroup]) -> tuple[int, int, int]:
    """Inputs and outputs of all adapted linears of the decoder together, and how many they are."""
    inputs = outputs = count = 0
    for group in targets:
        if group.tower == "language" and len(group.shape) == 2:
            outputs += group.shape[0]
            inputs += group.shape[1]
            count += 1
    return inputs, outputs, count
