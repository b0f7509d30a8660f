"""The longest batch of a run, as its processor would make it: the same shapes, no content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses import FakeTensorMode

from deepsynth_tui.models.image_tokens import PageViews

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from deepsynth_tui.models.layout import ImageDimensions

TEXT_TOKEN = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of `length` tokens with the same page in each; `views` None for rows of text."""

    rows: int
    length: int
    views: PageViews | None = None


def tokens(shape: Shape, architecture: PreTrainedConfig) -> dict[str, torch.Tensor]:
    """Integer inputs of (rows, length): the page's tokens first, then text; real tensors.

    Several rows are seldom of one length, so one is padded: that decides the attention kernel.
    """
    ids = torch.full((shape.rows, shape.length), TEXT_TOKEN)
    labels = ids.clone()
    mask = torch.ones_like(ids)
    if shape.views is not None:
        ids[:, : shape.views.tokens - shape.views.separator_tokens] = image_token(architecture)
        labels[:, : shape.views.tokens] = -100
    if shape.rows > 1:
        mask[-1, -1], labels[-1, -1] = 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def image_token(architecture: PreTrainedConfig) -> int:
    """Id of the token that stands for a piece of a page."""
    token = getattr(architecture, "image_token_id", None)
    return int(token if token is not None else getattr(architecture, "image_token_index"))  # noqa: B009


def pages(
    shape: Shape, image: ImageDimensions, architecture: PreTrainedConfig, fake: FakeTensorMode
) -> dict[str, Any]:
    """Pixels of every row under the names of the model's own processor; pixels take no memory."""
    if shape.views is None:
        return {}
    sizes, facts = _BUILDERS[image.rule](shape, shape.views, image, architecture)
    with fake:
        return {name: torch.empty(size) for name, size in sizes.items()} | facts


_Made = tuple[dict[str, tuple[int, ...]], dict[str, Any]]


def _patches(
    shape: Shape, views: PageViews, image: ImageDimensions, architecture: PreTrainedConfig
) -> _Made:
    """models/qwen2_vl/image_processing_qwen2_vl.py: pixels already cut into patches."""
    vision: Any = architecture.vision_config
    height, width = views.global_grid
    numbers = vision.in_channels * vision.temporal_patch_size * image.patch**2
    kinds = torch.zeros(shape.rows, shape.length, dtype=torch.int32)
    kinds[:, : views.tokens] = 1
    return {"pixel_values": (shape.rows * height * width, numbers)}, {
        "image_grid_thw": torch.tensor([[1, height, width]] * shape.rows),
        "mm_token_type_ids": kinds,
    }


def _deepseek_ocr2(
    shape: Shape, views: PageViews, image: ImageDimensions, architecture: PreTrainedConfig
) -> _Made:
    """models/deepseek_ocr2/image_processing_deepseek_ocr2.py: the page, and its tiles apart."""
    edge, tile = views.global_grid[0] * image.patch, views.tile_side * image.patch
    page = {"pixel_values": (shape.rows, 3, edge, edge)}
    if not views.tile_count:
        return page, {}
    local = {"pixel_values_local": (shape.rows * views.tile_count, 3, tile, tile)}
    return page | local, {"num_local_patches": [views.tile_count] * shape.rows}


def _tiles(
    shape: Shape, views: PageViews, image: ImageDimensions, architecture: PreTrainedConfig
) -> _Made:
    """models/idefics3/image_processing_idefics3.py: tiles and the page, all of one size."""
    return {"pixel_values": (shape.rows, views.tile_count + 1, 3, image.tile, image.tile)}, {}


def _fixed(
    shape: Shape, views: PageViews, image: ImageDimensions, architecture: PreTrainedConfig
) -> _Made:
    """models/clip/image_processing_clip.py and its like."""
    return {"pixel_values": (shape.rows, 3, image.tile, image.tile)}, {}


_BUILDERS: Mapping[str, Callable[..., _Made]] = {
    "pixels": _patches,
    "deepseek_ocr2": _deepseek_ocr2,
    "tiles": _tiles,
    "fixed": _fixed,
}
