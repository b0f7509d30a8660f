"""Work of the towers beside the language model: vision, and a text encoder."""

from __future__ import annotations

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.work.decoder import (
    HALF,
    HIDDEN_TRAFFIC,
    INNER_TRAFFIC,
    LAYER_KERNELS,
)
from deepsynth_tui.estimate.work.work import Work
from deepsynth_tui.models.layout import ImageDimensions, ModelLayout

# Bytes per patch of a vision layer and unit of hidden and inner width: Qwen's (rotation in
# float32) and SigLIP's.
ROTATED_VISION_TRAFFIC = ((144, 210), (5, 8))
PLAIN_VISION_TRAFFIC = ((22, 46), (5, 8))
# A window of Qwen2.5-VL holds 8 x 8 patches; 4 of 32 layers see the whole page
# (``models/qwen2_5_vl/configuration_qwen2_5_vl.py``).
WINDOW, FULL_SHARE = 64, 4 / 32


def vision_work(config: TrainingConfig, profile: ModelLayout, patches: int) -> Work:
    """The vision tower; frozen it runs forward only."""
    image = profile.image
    if image is None or not patches:
        return Work()
    frozen = config.model.freeze_vision_tower
    forward = 2 if not frozen and config.training.gradient_checkpointing else 1
    runs = forward if frozen else forward + 2
    attended = _attended(profile, image, patches / config.training.per_device_train_batch_size)
    scores = 2 * attended * image.hidden * image.layers
    rotated = image.rule == "pixels"
    hidden, inner = ROTATED_VISION_TRAFFIC if rotated else PLAIN_VISION_TRAFFIC

    def once(pair: tuple[int, int]) -> int:
        return forward * pair[0] + (0 if frozen else pair[1])

    return Work(
        matmul=2 * patches * (_met(profile, image) + scores) * runs,
        traffic=patches
        * image.layers
        * (once(hidden) * image.hidden + once(inner) * image.intermediate),
        kernels=image.layers * once(LAYER_KERNELS),
    )


def _met(profile: ModelLayout, image: ImageDimensions) -> float:
    """Weights of the vision tower that a patch meets.

    The second encoder of DeepSeek-OCR-2 works on merged patches and as many queries
    (``models/deepseek_ocr2/modeling_deepseek_ocr2.py``).
    """
    if image.rule != "deepseek_ocr2":
        return profile.params_of("vision")
    second = sum(g.parameters for g in profile.weights if ".vision_encoder." in g.pattern)
    return profile.params_of("vision") - second * (1 - 2 / image.merge**2)


def _attended(profile: ModelLayout, image: ImageDimensions, page: float) -> float:
    """Patches that a patch attends to: its tile's, its window's, or its whole page's."""
    if image.tile and image.patch:
        return min(page, (image.tile / image.patch) ** 2)
    if profile.architecture.startswith("Qwen2_5_VL"):
        return FULL_SHARE * page + (1 - FULL_SHARE) * WINDOW
    return page


def text_encoder_work(config: TrainingConfig, encoder: ModelLayout | None) -> Work:
    """The text encoder over ``text_encoder.max_length`` tokens a row, not checkpointed."""
    settings = config.text_encoder
    if not settings.enabled or encoder is None:
        return Work()
    tokens = config.training.per_device_train_batch_size * settings.max_length
    runs = {"frozen": 1, "lora": 2, "full": 3}[settings.trainable]
    learns = settings.trainable != "frozen"
    text = encoder.text

    def once(pair: tuple[int, int]) -> int:
        return pair[0] + (pair[1] if learns else 0)

    return Work(
        matmul=2 * tokens * encoder.params_of("language") * runs,
        weights=HALF * encoder.total_params * runs,
        traffic=tokens
        * text.layers
        * (once(HIDDEN_TRAFFIC) * text.hidden + once(INNER_TRAFFIC) * text.intermediate),
        kernels=text.layers * once(LAYER_KERNELS),
    )
