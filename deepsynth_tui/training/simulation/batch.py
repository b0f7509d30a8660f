"""The longest batch of a run, with the shapes its processor would return and no content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses import FakeTensorMode

from deepsynth_tui.models.image_tokens import PageViews
from deepsynth_tui.training.features.batch import encoder_outputs
from deepsynth_tui.training.features.entry import PageFeatures
from deepsynth_tui.training.features.tower import ENCODER_OUTPUTS

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from deepsynth_tui.models.layout import ImageDimensions

TEXT_TOKEN = 0
KEPT_INPUTS = ("image_grid_thw", "mm_token_type_ids")
"""Image inputs that the language model reads beside the features of pages."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Rows of `length` tokens with the same page in each; `views` is None for text-only rows.

    `is_padded`: one of several rows is shorter by a token.
    """

    rows: int
    length: int
    views: PageViews | None = None
    is_padded: bool = True


def text_inputs(shape: BatchShape, model_config: PreTrainedConfig) -> dict[str, torch.Tensor]:
    """Return ids, mask and labels, (rows, length), as real tensors: image tokens, then text.

    Rows of a batch seldom have equal lengths, so one of several is padded: the mask decides which
    attention kernel is used.
    """
    ids = torch.full((shape.rows, shape.length), TEXT_TOKEN)
    labels = ids.clone()
    mask = torch.ones_like(ids)
    if shape.views is not None:
        ids[:, : shape.views.tokens - shape.views.separator_tokens] = image_token_id(model_config)
        labels[:, : shape.views.tokens] = -100
    if shape.rows > 1 and shape.is_padded:
        mask[-1, -1], labels[-1, -1] = 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def image_token_id(model_config: PreTrainedConfig) -> int:
    """Return the id of the model's image placeholder."""
    token = getattr(model_config, "image_token_id", None)
    return int(token if token is not None else getattr(model_config, "image_token_index"))  # noqa: B009


def image_inputs(
    shape: BatchShape,
    image: ImageDimensions,
    model_config: PreTrainedConfig,
    fake_mode: FakeTensorMode,
) -> dict[str, Any]:
    """Return the image inputs of all rows, named as the processor does; pixels are fake."""
    if shape.views is None:
        return {}
    shapes, real_inputs = _BUILDERS[image.rule](shape, shape.views, image, model_config)
    with fake_mode:
        return {name: torch.empty(shape) for name, shape in shapes.items()} | real_inputs


def feature_inputs(
    shape: BatchShape,
    image: ImageDimensions,
    model_config: PreTrainedConfig,
    fake_mode: FakeTensorMode,
    dtype: torch.dtype,
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Return the image inputs of all rows with cached page features, and the features, fake."""
    views = shape.views
    if views is None:
        return {}, []
    inputs = image_inputs(shape, image, model_config, fake_mode)
    vision: Any = model_config.vision_config
    layers = len(getattr(vision, "deepstack_visual_indexes", None) or ())
    hidden: int = model_config.get_text_config().hidden_size
    size = (views.tokens - views.separator_tokens, hidden)
    # Models of these rules return the views of a page separately.
    separate = {"fixed": (1, *size), "internvl": (views.tile_count + 1, image.tile_tokens, hidden)}
    with fake_mode:
        pages = [
            PageFeatures(
                pooled=torch.empty(separate.get(image.rule, size), dtype=dtype),
                deepstack=torch.empty((layers, *size), dtype=dtype) if layers else None,
                inputs={},
                text="",
            )
            for _ in range(shape.rows)
        ]
    others = {name: inputs[name] for name in KEPT_INPUTS if name in inputs}
    tensors = [value for page in pages for value in (page.pooled, page.deepstack)]
    return (
        {**others, ENCODER_OUTPUTS: encoder_outputs(pages)},
        [tensor for tensor in tensors if tensor is not None],
    )


_ImageInputs = tuple[dict[str, tuple[int, ...]], dict[str, Any]]
"""Shapes of fake inputs, and real inputs."""


def _patches(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/qwen2_vl/image_processing_qwen2_vl.py: pixels as flattened patches.

    models/paddleocr_vl has no frames, and does not flatten them.
    """
    vision: Any = model_config.vision_config
    height, width = views.global_grid
    frames = getattr(vision, "temporal_patch_size", None)
    patch = (
        (vision.in_channels * frames * image.patch**2,)
        if frames
        else (vision.num_channels, image.patch, image.patch)
    )
    token_types = torch.zeros(shape.rows, shape.length, dtype=torch.int32)
    token_types[:, : views.tokens] = 1
    return {"pixel_values": (shape.rows * height * width, *patch)}, {
        "image_grid_thw": torch.tensor([[1, height, width]] * shape.rows),
        "mm_token_type_ids": token_types,
    }


def _deepseek_ocr2(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/deepseek_ocr2/image_processing_deepseek_ocr2.py: the page and its tiles separately."""
    edge, tile = views.global_grid[0] * image.patch, views.tile_side * image.patch
    pages = {"pixel_values": (shape.rows, 3, edge, edge)}
    if not views.tile_count:
        return pages, {}
    tiles = {"pixel_values_local": (shape.rows * views.tile_count, 3, tile, tile)}
    return pages | tiles, {"num_local_patches": [views.tile_count] * shape.rows}


def _tiles(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/idefics3/image_processing_idefics3.py: tiles and the page in one size."""
    return {"pixel_values": (shape.rows, views.tile_count + 1, 3, image.tile, image.tile)}, {}


def _internvl(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/got_ocr2/image_processing_got_ocr2.py: tiles and pages of all rows in one tensor."""
    views_of_rows = shape.rows * (views.tile_count + 1)
    return {"pixel_values": (views_of_rows, 3, image.tile, image.tile)}, {}


def _granite_docling(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/granite_docling/image_processing_granite_docling.py: tiles and the page."""
    pixels, _ = _tiles(shape, views, image, model_config)
    mask = torch.ones(shape.rows, views.tile_count + 1, dtype=torch.bool)
    vision: Any = model_config.vision_config
    is_fine = image.merge < vision.scale_factor
    fine = {"tile_fine_mask": torch.ones(shape.rows, dtype=torch.bool)} if is_fine else {}
    return pixels, {"pixel_attention_mask": mask, **fine}


def _lighton_ocr(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/pixtral/image_processing_pixtral.py: pages in their shape, padded to the largest."""
    size = [side * image.patch for side in views.global_grid]
    pixels = {"pixel_values": (shape.rows, 3, *size)}
    return pixels, {"image_sizes": torch.tensor([size] * shape.rows)}


def _fixed(
    shape: BatchShape, views: PageViews, image: ImageDimensions, model_config: PreTrainedConfig
) -> _ImageInputs:
    """models/clip/image_processing_clip.py and similar."""
    return {"pixel_values": (shape.rows, 3, image.tile, image.tile)}, {}


_BUILDERS: Mapping[str, Callable[..., _ImageInputs]] = {
    "pixels": _patches,
    "deepseek_ocr2": _deepseek_ocr2,
    "tiles": _tiles,
    "internvl": _internvl,
    "granite_docling": _granite_docling,
    "lighton_ocr": _lighton_ocr,
    "fixed": _fixed,
}
