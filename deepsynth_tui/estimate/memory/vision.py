"""What the vision tower takes for the pages of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.profiles.images import PageSize, page_tokens, patches_of
from deepsynth_tui.estimate.profiles.profile import ImageFigures, ModelProfile

# Bytes per patch and unit of width in half precision: a LayerNorm's input twice, queries, keys,
# values and output of attention, and (intermediate) the MLP's inner tensor and its activation.
SAVED_HIDDEN = 16
SAVED_INNER = 4
WORKING_HIDDEN = 14
WORKING_INNER = 4
STREAM = 2


@dataclass(frozen=True, slots=True)
class Vision:
    """Bytes for the pages of one batch. `kept` until backward; `working` for a moment."""

    tokens: int
    patches: int
    kept: int
    working: int


def vision(
    config: TrainingConfig, profile: ModelProfile, page: PageSize | None, length: int
) -> Vision:
    """The vision tower with one page per row; all zero for a text-only model.

    Without a page size the row is taken to be all image. A frozen tower runs without a graph.
    """
    image = profile.image
    if image is None or image.hidden == 0:
        return Vision(0, 0, 0, 0)
    known = page_tokens(page, image, config.model) if page else None
    tokens = min(length, known if known is not None else largest_page(image, config) or length)
    rows = config.training.per_device_train_batch_size
    patches = patches_of(tokens, image) * rows
    saved = patches * (SAVED_HIDDEN * image.hidden + SAVED_INNER * image.intermediate)
    working = patches * (WORKING_HIDDEN * image.hidden + WORKING_INNER * image.intermediate)
    if config.model.freeze_vision_tower:
        return Vision(tokens, patches, 0, working)
    if config.training.gradient_checkpointing:
        kept = image.layers * patches * STREAM * image.hidden
        return Vision(tokens, patches, kept, saved + working)
    return Vision(tokens, patches, image.layers * saved, working)


def largest_page(image: ImageFigures, config: TrainingConfig) -> int | None:
    """Most tokens any page can take, None without a limit."""
    most = config.model.max_pixels or image.max_pixels
    if image.rule == "pixels" and most:
        return most // (image.patch * image.merge) ** 2
    if image.rule == "deepseek_ocr2":
        return page_tokens(
            PageSize(2 * image.longest_edge, 3 * image.longest_edge), image, config.model
        )
    if image.rule == "fixed":
        return image.tile_tokens
    return None
