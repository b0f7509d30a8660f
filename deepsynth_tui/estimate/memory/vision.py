"""GPU memory of the vision tower for the pages of a micro-batch.

Coefficients are bytes per position and unit of width, of tensors that autograd saves under CUDA's
autocast in transformers 5.23, read from the simulation (``training/simulation``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.checkpointing import is_offloaded, recomputed_layers
from deepsynth_tui.estimate.memory.activations import (
    FORWARD_MLP,
    adapter_float32_copies,
    has_int8_linears,
)
from deepsynth_tui.estimate.memory.adapters import adapter_activation_bytes
from deepsynth_tui.estimate.memory.stack_version import INSTALLED, StackVersion
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.estimate.memory.weights import DTYPE_BYTES
from deepsynth_tui.models.image_tokens import PageSize, PageViews, page_views
from deepsynth_tui.models.layout import ImageDimensions, ModelLayout
from deepsynth_tui.models.vision_layers import (
    ScoreBias,
    VisionLayers,
    layers_before,
    vision_layers,
)

HALF = 2
FLOAT32 = 4
NORMS = 8  # float32 inputs of the two norms of a layer
ATTENTION_OUTPUT = 2
HEAD_NORM = 4  # float32 input of a norm on queries or keys
PLAIN_MLP = 2  # input of the activation
GATED_MLP = 6  # gate, its activation, and up
LINEAR_INPUT = 2  # saved if the linear's weight is trained
# Workspace of the forward pass: a norm's float32 output beside the hidden states, and the MLP's
# intermediate tensor with its activation; or queries and keys in float32 during the rotation.
WORKSPACE_HIDDEN = 8
WORKSPACE_INNER = 4
ROTARY_WORKSPACE = 30
BACKWARD_HIDDEN = 14  # workspace of the backward pass
# Workspace at the end of a recomputed layer: the float32 output of its second norm, the output of
# the last linear, and the gradient, with copies, that waits for them.
RECOMPUTED_HIDDEN = 12
CHANNELS = 3
PIXEL = 4  # float32


@dataclass(frozen=True, slots=True)
class VisionMemory:
    """Tokens, patches and bytes of the pages of one micro-batch.

    `saved` for backward; `workspace` is allocated temporarily during forward or backward,
    `forward_workspace` during forward.
    """

    tokens: int
    patches: int
    saved: int
    workspace: int
    forward_workspace: int


def vision_memory(
    config: TrainingConfig,
    layout: ModelLayout,
    trainable: TrainableParameters,
    page: PageSize | None,
    length: int,
    version: StackVersion = INSTALLED,
) -> VisionMemory:
    """Memory of the vision tower with one page per row; zero for a text-only model.

    Without a page size, the largest page that fits into `length` tokens is assumed. A tower without
    trainable parameters runs without a graph and saves nothing.
    """
    image = layout.image
    views = page_views(page, image, config.model, length) if image else None
    if image is None or views is None:
        return VisionMemory(0, 0, 0, 0, 0)
    rows = config.training.per_device_train_batch_size
    pixels = rows * views.patches * _pixel_bytes(image)
    mask = _mask_bytes(config, image, rows * views.patches)
    saved = workspace = forward_workspace = 0
    before = layers_before(layout)
    for number, stack in enumerate(vision_layers(layout)):
        recomputed = recomputed_layers(config, stack.layers, before[stack.prefix])
        passes = _passes(views) if number == 0 else ((2 * (views.tokens - 1), ()),)
        for positions, sides in passes:
            memory = _pass_memory(
                config,
                trainable,
                stack,
                image,
                rows * positions,
                _score_bytes(stack, sides, rows),
                version,
                recomputed=len(recomputed),
            )
            saved += memory.saved
            workspace = max(workspace, memory.workspace)
            forward_workspace = max(forward_workspace, memory.forward_workspace)
    projector = 0
    if trainable.by_tower.get("vision") or trainable.by_tower.get("projector"):
        saved += _projector_bytes(layout, rows * views.patches, image, deepstack=True)
        projector = _projector_bytes(layout, rows * views.patches, image, deepstack=False)
    # Half-precision copies of the pixels live as long as the forward pass.
    forward_workspace += pixels // 2
    if trainable.by_tower.get("vision"):
        saved += mask
    else:
        forward_workspace += mask
    return VisionMemory(
        tokens=min(length, views.tokens),
        patches=rows * views.patches,
        saved=saved + projector + pixels,
        # The projector saves after the forward pass of the tower, and frees before its backward.
        workspace=max(workspace, forward_workspace, projector) - projector,
        forward_workspace=forward_workspace,
    )


@dataclass(frozen=True, slots=True)
class _PassMemory:
    saved: int
    workspace: int
    forward_workspace: int


def _pass_memory(
    config: TrainingConfig,
    trainable: TrainableParameters,
    stack: VisionLayers,
    image: ImageDimensions,
    positions: int,
    scores: Mapping[ScoreBias, int],
    version: StackVersion,
    *,
    recomputed: int,
) -> _PassMemory:
    """Bytes of one pass of `positions` through a stack of layers, `recomputed` by checkpointing."""
    largest = max(scores.values(), default=0)
    has_rotary = stack.fused_qkv and image.rule == "pixels"
    width = WORKSPACE_HIDDEN * stack.hidden + WORKSPACE_INNER * stack.inner
    rotary = ROTARY_WORKSPACE * stack.hidden if has_rotary else 0
    forward = positions * max(width, rotary) + 2 * largest
    if not trainable.by_tower.get("vision"):
        return _PassMemory(0, forward, forward)
    layer = positions * _layer_width(config, stack, has_rotary=has_rotary)
    adapters = positions * adapter_activation_bytes(
        config,
        trainable,
        "vision",
        version,
        prefix=stack.prefix,
        float32_norms=stack.layer_norm,
    )
    backward = BACKWARD_HIDDEN * stack.hidden + WORKSPACE_INNER * stack.inner
    copies = adapter_float32_copies(config, trainable, "vision", stack.inner, version)
    recompute = RECOMPUTED_HIDDEN * stack.hidden + (FORWARD_MLP + copies) * stack.inner
    biases = sum(bias.layers * size for bias, size in scores.items())
    if config.training.gradient_checkpointing:
        stored = (stack.layers - recomputed) * (layer + (adapters + biases) // stack.layers)
        # The MLP's part of a layer is free when the gradient of the bias is allocated.
        workspace = adapters // stack.layers + max(
            layer + positions * max(backward, recompute) + largest,
            layer + positions * (BACKWARD_HIDDEN * stack.hidden - _mlp_width(stack)) + 2 * largest,
        )
        inputs = positions * HALF * stack.hidden
        kept = recomputed * positions * _int8_inputs(config, stack) + stored
        if is_offloaded(config):
            return _PassMemory(kept, workspace + inputs, forward)
        return _PassMemory(recomputed * inputs + kept, workspace, forward)
    return _PassMemory(
        stack.layers * layer + adapters + biases, positions * backward + largest, forward
    )


def _layer_width(config: TrainingConfig, stack: VisionLayers, *, has_rotary: bool) -> int:
    """Bytes per position that a layer saves, without those of its adapters."""
    width = (NORMS + ATTENTION_OUTPUT) * stack.hidden + HALF * stack.qkv
    if has_rotary:
        # Rotated queries and keys, beside the fused qkv output that the values are a view of.
        width += 2 * HALF * stack.hidden
    if stack.qk_norm:
        width += 2 * HEAD_NORM * stack.hidden
    width += _mlp_width(stack)
    if not config.lora.enabled:
        width += LINEAR_INPUT * (3 * stack.hidden + stack.inner)
    return width + _int8_inputs(config, stack)


def _mlp_width(stack: VisionLayers) -> int:
    """Bytes per position that the MLP of a layer saves."""
    return (GATED_MLP if stack.gated else PLAIN_MLP) * stack.inner


def _int8_inputs(config: TrainingConfig, stack: VisionLayers) -> int:
    """Bytes per position of a layer's linear inputs that the int8 matmul keeps (`activations`)."""
    if not has_int8_linears(config, "vision"):
        return 0
    autocast = config.training.bf16 or config.training.fp16
    norms = FLOAT32 if stack.layer_norm and autocast else HALF
    return 2 * norms * stack.hidden + HALF * (stack.hidden + stack.inner)


def _passes(views: PageViews) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Positions and sides of the views in each pass; views of equal size share a pass.

    The second stack of DeepSeek-OCR-2 reads as many queries as positions, in a single pass.
    """
    rows, columns = views.global_grid
    global_view, tiles = (rows,), (views.tile_side,) * views.tile_count
    if not tiles or views.tile_side == rows:
        return ((views.patches, global_view + tiles),)
    return (rows * columns, global_view), (views.tile_count * views.tile_side**2, tiles)


def _score_bytes(stack: VisionLayers, sides: Sequence[int], rows: int) -> dict[ScoreBias, int]:
    """Bytes of the attention bias of a layer in half precision, by kind of layer."""
    return {
        bias: rows * HALF * bias.heads * sum(_pairs(side, bias) for side in sides)
        for bias in stack.biases
    }


def _pairs(side: int, bias: ScoreBias) -> int:
    """Pairs of positions that attend to each other in a square view, over all windows."""
    if bias.is_global:
        return side**4
    return math.ceil(side / bias.side) ** 2 * bias.side**4


def _mask_bytes(config: TrainingConfig, image: ImageDimensions, patches: int) -> int:
    """Bytes of the mask that keeps pages apart, which share a sequence (models/pixtral).

    All layers read the same mask. It grows with the square of the rows.
    """
    if image.rule != "lighton_ocr" or config.model.uses_flash_attention:
        return 0
    return DTYPE_BYTES[config.model.dtype] * patches**2


def _pixel_bytes(image: ImageDimensions) -> int:
    """Bytes of the pixel values of a patch in the processor's output."""
    return PIXEL * CHANNELS * image.frames * image.patch**2


def _projector_bytes(
    layout: ModelLayout, patches: int, image: ImageDimensions, *, deepstack: bool
) -> int:
    """Bytes that the projector saves, or those after earlier layers (`deepstack`).

    These are the inputs of its norms and activations.
    """
    total = 0
    for group in layout.weights:
        is_weight = group.tower == "projector" and group.pattern.endswith(".weight")
        if is_weight and (".*." in group.pattern) is deepstack:
            merged = math.ceil(group.shape[0] / image.hidden)
            positions = patches // (image.merge**2 if group.kind == "linear" else merged)
            total += group.count * group.shape[0] * positions * (4 if group.kind == "norm" else 2)
    return total
