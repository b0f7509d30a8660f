"""Work of the vision tower and of the text encoder."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.work.decoder import (
    HALF,
    HIDDEN_TRAFFIC,
    INNER_TRAFFIC,
    LAYER_KERNELS,
    forward_passes,
)
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ImageDimensions, ModelLayout

# (forward, backward) bytes per patch of a vision layer, per unit of hidden and intermediate size:
# Qwen's (rotation in float32) and SigLIP's.
ROTARY_VISION_TRAFFIC = ((144, 210), (5, 8))
PLAIN_VISION_TRAFFIC = ((22, 46), (5, 8))
# Qwen2.5-VL attends within windows of 8 x 8 patches, in 4 of 32 layers to the whole page
# (``models/qwen2_5_vl/configuration_qwen2_5_vl.py``).
WINDOW, GLOBAL_LAYERS = 64, 4 / 32


def vision_work(config: TrainingConfig, layout: ModelLayout, patches: int) -> Work:
    """The vision tower; a frozen one has no backward pass."""
    image = layout.image
    if image is None or not patches:
        return Work()
    frozen = config.model.freeze_vision_tower
    forward = 1 if frozen else forward_passes(config, image.layers)
    matmuls = forward if frozen else forward + 2
    attended = _attended(layout, image, patches / config.training.per_device_train_batch_size)
    scores = 2 * attended * image.hidden * image.layers
    has_rotary = image.rule == "pixels"
    hidden, inner = ROTARY_VISION_TRAFFIC if has_rotary else PLAIN_VISION_TRAFFIC

    def total(pair: tuple[int, int]) -> float:
        return forward * pair[0] + (0 if frozen else pair[1])

    return Work(
        matmul_flops=2 * patches * (_active_params(layout, image) + scores) * matmuls,
        elementwise_bytes=patches
        * image.layers
        * (total(hidden) * image.hidden + total(inner) * image.intermediate),
        kernel_launches=image.layers * total(LAYER_KERNELS),
    )


def _active_params(layout: ModelLayout, image: ImageDimensions) -> float:
    """Parameters of the vision tower per patch.

    The second encoder of DeepSeek-OCR-2 processes merged patches and as many queries
    (``models/deepseek_ocr2/modeling_deepseek_ocr2.py``).
    """
    if image.rule != "deepseek_ocr2":
        return layout.tower_params("vision")
    second = sum(g.parameters for g in layout.weights if ".vision_encoder." in g.pattern)
    return layout.tower_params("vision") - second * (1 - 2 / image.merge**2)


def _attended(layout: ModelLayout, image: ImageDimensions, page: float) -> float:
    """Patches that a patch attends to: those of its tile, its window or the page."""
    if image.tile and image.patch:
        return min(page, (image.tile / image.patch) ** 2)
    if layout.architecture.startswith("Qwen2_5_VL"):
        return GLOBAL_LAYERS * page + (1 - GLOBAL_LAYERS) * WINDOW
    return page


def text_encoder_work(config: TrainingConfig, encoder: ModelLayout | None) -> Work:
    """The text encoder over ``text_encoder.max_length`` tokens per row, without checkpointing."""
    settings = config.text_encoder
    if not settings.enabled or encoder is None:
        return Work()
    tokens = config.training.per_device_train_batch_size * settings.max_length
    matmuls = {"frozen": 1, "lora": 2, "full": 3}[settings.trainable]
    is_trained = settings.trainable != "frozen"
    text = encoder.text

    def total(pair: tuple[int, int]) -> int:
        return pair[0] + (pair[1] if is_trained else 0)

    return Work(
        matmul_flops=2 * tokens * encoder.tower_params("language") * matmuls,
        weight_bytes=HALF * encoder.total_params * matmuls,
        elementwise_bytes=tokens
        * text.layers
        * (total(HIDDEN_TRAFFIC) * text.hidden + total(INNER_TRAFFIC) * text.intermediate),
        kernel_launches=text.layers * total(LAYER_KERNELS),
    )
