"""What the vision tower takes for the pages of a batch.

Coefficients are bytes per position and unit of width, of tensors that autograd saves under CUDA's
autocast in transformers 5.23, read off the simulation (``training/simulation``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.adapters import adapter_bytes
from deepsynth_tui.estimate.memory.trainable import TrainableParameters
from deepsynth_tui.models.image_tokens import PageSize, PageViews, page_views
from deepsynth_tui.models.layout import ImageDimensions, ModelLayout
from deepsynth_tui.models.vision_layers import ScoreBias, VisionLayers, vision_layers

HALF = 2
FLOAT32 = 4
NORMS = 8  # float32 inputs of the two norms of a layer
OUTPUT = 2  # of attention
PLAIN_MLP = 2  # input of the activation
GATED_MLP = 6  # gate, its activation, and up
INPUTS = 2  # of a linear whose weight learns
# For a moment of the forward pass: a norm's float32 output beside the stream, and the MLP's inner
# tensor with its activation; or queries and keys in float32 while they are rotated.
WORKING_HIDDEN = 8
WORKING_INNER = 4
ROTATING = 30
BACKWARD_HIDDEN = 14  # and for a moment of the backward pass
COLOURS = 3
FRAMES = {"pixels": 2}  # an image is two frames of a video (models/qwen2_vl)
PIXEL = 4  # float32


@dataclass(frozen=True, slots=True)
class VisionMemory:
    """Bytes for the pages of one batch.

    `kept` until backward; `working` for a moment, `taken` for one of the forward pass.
    """

    tokens: int
    patches: int
    kept: int
    working: int
    taken: int


def vision_memory(
    config: TrainingConfig,
    profile: ModelLayout,
    trainable: TrainableParameters,
    page: PageSize | None,
    length: int,
) -> VisionMemory:
    """The vision tower with one page per row; all zero for a text-only model.

    Without a page size the row is taken to be as much image as there is room for. A tower in which
    nothing learns runs without a graph.
    """
    image = profile.image
    views = page_views(page, image, config.model, length) if image else None
    if image is None or views is None:
        return VisionMemory(0, 0, 0, 0, 0)
    rows = config.training.per_device_train_batch_size
    pixels = rows * views.patches * _pixel_bytes(image)
    kept = working = taken = 0
    for number, stack in enumerate(vision_layers(profile)):
        passes = _passes(views) if number == 0 else ((2 * (views.tokens - 1), ()),)
        for positions, sides in passes:
            of_pass = _stack_bytes(
                config, trainable, stack, image, rows * positions, _score_bytes(stack, sides, rows)
            )
            kept += of_pass.kept
            working = max(working, of_pass.working)
            taken = max(taken, of_pass.taken)
    if trainable.by_tower.get("vision") or trainable.by_tower.get("projector"):
        kept += _bridge(profile, rows * views.patches, image)
    return VisionMemory(
        tokens=min(length, views.tokens),
        patches=rows * views.patches,
        kept=kept + pixels,
        working=working + pixels // 2,
        taken=taken + pixels // 2,
    )


@dataclass(frozen=True, slots=True)
class _Bytes:
    kept: int
    working: int
    taken: int


def _stack_bytes(
    config: TrainingConfig,
    trainable: TrainableParameters,
    stack: VisionLayers,
    image: ImageDimensions,
    positions: int,
    scores: Mapping[ScoreBias, int],
) -> _Bytes:
    """Bytes of one pass through a stack."""
    largest = max(scores.values(), default=0)
    rotates = stack.fused and image.rule == "pixels"
    width = WORKING_HIDDEN * stack.hidden + WORKING_INNER * stack.inner
    taken = positions * max(width, ROTATING * stack.hidden if rotates else 0) + 2 * largest
    if not trainable.by_tower.get("vision"):
        return _Bytes(0, taken, taken)
    layer = positions * _layer_width(config, stack, rotates=rotates)
    adapters = positions * adapter_bytes(config, trainable, "vision", stack.prefix)
    moment = positions * (BACKWARD_HIDDEN * stack.hidden + WORKING_INNER * stack.inner)
    if config.training.gradient_checkpointing:
        recomputed = layer + adapters // stack.layers + 2 * largest
        stream = HALF * stack.hidden + _int8_inputs(config, stack)
        return _Bytes(stack.layers * positions * stream, moment + recomputed, taken)
    biases = sum(bias.layers * size for bias, size in scores.items())
    return _Bytes(stack.layers * layer + adapters + biases, moment + 2 * largest, taken)


def _layer_width(config: TrainingConfig, stack: VisionLayers, *, rotates: bool) -> int:
    """Bytes per position that one layer keeps, its adapters apart."""
    width = (NORMS + OUTPUT) * stack.hidden + HALF * stack.attended
    if rotates:
        # Rotated queries and keys beside the fused output, which the values are a view of.
        width += 2 * HALF * stack.hidden
    width += (GATED_MLP if stack.gated else PLAIN_MLP) * stack.inner
    if not config.lora.enabled:
        width += INPUTS * (3 * stack.hidden + stack.inner)
    return width + _int8_inputs(config, stack)


def _int8_inputs(config: TrainingConfig, stack: VisionLayers) -> int:
    """Inputs of a layer's linears, per position, that the int8 matmul keeps (`activations`)."""
    if not config.quantization.enabled or config.quantization.bits != 8:
        return 0
    autocast = config.training.bf16 or config.training.fp16
    norms = FLOAT32 if stack.centred and autocast else HALF
    return 2 * norms * stack.hidden + HALF * (stack.hidden + stack.inner)


def _passes(views: PageViews) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Positions and sides of the views that pass the tower together: those of one size.

    A second stack (DeepSeek-OCR-2) reads as many queries as it reads positions, all at once.
    """
    rows, columns = views.global_grid
    whole, tiles = (rows,), (views.tile_side,) * views.tile_count
    if not tiles or views.tile_side == rows:
        return ((views.patches, whole + tiles),)
    return (rows * columns, whole), (views.tile_count * views.tile_side**2, tiles)


def _score_bytes(stack: VisionLayers, sides: Sequence[int], rows: int) -> dict[ScoreBias, int]:
    """Bytes of the bias of one layer, in half precision, for each kind of layer that has one."""
    return {
        bias: rows * HALF * bias.heads * sum(_pairs(side, bias) for side in sides)
        for bias in stack.biases
    }


def _pairs(side: int, bias: ScoreBias) -> int:
    """Pairs of positions that attend to each other in a square view, window by window."""
    if bias.is_global:
        return side**4
    return math.ceil(side / bias.side) ** 2 * bias.side**4


def _pixel_bytes(image: ImageDimensions) -> int:
    """Bytes of the pixels of one patch, as the processor gives them."""
    return PIXEL * COLOURS * FRAMES.get(image.rule, 1) * image.patch**2


def _bridge(profile: ModelLayout, patches: int, image: ImageDimensions) -> int:
    """What the projector keeps: inputs of its norms, and of its activations."""
    total = 0
    for group in profile.weights:
        if group.tower == "projector" and group.pattern.endswith(".weight"):
            wide = math.ceil(group.shape[0] / image.hidden)
            positions = patches // (image.merge**2 if group.kind == "linear" else wide)
            total += group.count * group.shape[0] * positions * (4 if group.kind == "norm" else 2)
    return total
