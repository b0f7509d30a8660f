"""Tokens per page equal those of the models' processors."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image
from transformers import AutoConfig, SmolVLMImageProcessorPil
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
    DeepseekOcr2ImageProcessorPil,
)
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import (
    PaddleOCRVLImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.hub_config import HubConfig
from deepsynth_tui.models.image_tokens import PageSize, page_tokens, page_views
from deepsynth_tui.models.layout import ImageDimensions
from tests.estimate import models

PAGES = [(224, 224), (640, 480), (768, 768), (1000, 1400), (1240, 1754), (2480, 3508), (3000, 900)]


@pytest.mark.parametrize(("width", "height"), PAGES)
def test_tokens_of_deepseek_ocr2(width: int, height: int):
    image = models.shipped("deepseek-community/DeepSeek-OCR-2").image
    assert image is not None
    processed = DeepseekOcr2ImageProcessorPil()(images=[Image.new("RGB", (width, height))])
    expected = 256 + 144 * int(processed["num_local_patches"][0]) + 1
    assert page_tokens(PageSize(width, height), image, ModelSettings()) == expected


@pytest.mark.parametrize("limit", [None, 200_704])
@pytest.mark.parametrize(("width", "height"), PAGES)
def test_tokens_of_qwen(width: int, height: int, limit: int | None):
    image = models.shipped("Qwen/Qwen2.5-VL-3B-Instruct").image
    assert image is not None
    high, wide = smart_resize(height, width, 28, 3136, limit or 12_845_056)
    tokens = page_tokens(PageSize(width, height), image, ModelSettings(max_pixels=limit))
    assert tokens is not None
    assert tokens == (high // 28) * (wide // 28)
    views = page_views(PageSize(width, height), image, ModelSettings(max_pixels=limit), length=0)
    assert views is not None
    assert views.global_grid == (high // 14, wide // 14)


def image_of(model_type: str, processor: Any = None) -> ImageDimensions:
    size = {} if processor is None else {"size": dict(processor.size)}
    config = AutoConfig.for_model(model_type)
    image = image_dimensions(HubConfig(config, size, "folder"))
    assert image is not None
    return image


@pytest.mark.parametrize(
    ("model_type", "processor"),
    [("paddleocr_vl", PaddleOCRVLImageProcessorPil()), ("glm_ocr", Glm46VImageProcessorPil())],
    ids=["paddleocr_vl", "glm_ocr"],
)
@pytest.mark.parametrize(("width", "height"), [*PAGES, (5000, 7000)])
def test_tokens_of_pixel_models_are_those_of_their_processor(
    model_type: str, processor: Any, width: int, height: int
):
    grid = processor(images=[Image.new("RGB", (width, height))])["image_grid_thw"][0]
    page = PageSize(width, height)
    tokens = page_tokens(page, image_of(model_type, processor), ModelSettings())
    assert tokens == int(grid[1]) * int(grid[2]) // 4


def test_tokens_of_other_families():
    page = PageSize(1240, 1754)
    assert page_tokens(page, image_of("gemma3"), ModelSettings()) == 256
    for model_type in ("internvl", "granite_docling", "lighton_ocr"):
        assert page_tokens(page, image_of(model_type), ModelSettings()) is None


@pytest.mark.parametrize(("width", "height"), PAGES)
def test_tokens_of_smolvlm(width: int, height: int):
    size = {"longest_edge": 2048}
    tile = {"longest_edge": 512}
    processor = SmolVLMImageProcessorPil(size=size, max_image_size=tile)
    _, rows, columns = processor.get_number_of_image_patches(height, width, {})
    image = ImageDimensions(
        rule="tiles", patch=16, merge=4, tile=512, tile_tokens=64, longest_edge=2048
    )
    tokens = page_tokens(PageSize(width, height), image, ModelSettings())
    tiles = rows * (columns * (64 + 2) + 1) if rows and columns else 0
    assert tokens == tiles + 64 + 3


def test_tokens_of_fixed_and_unknown_rules():
    page = PageSize(1000, 1000)
    fixed = ImageDimensions(rule="fixed", tile=336, patch=14, tile_tokens=576)
    assert page_tokens(page, fixed, ModelSettings()) == 576
    assert page_tokens(page, ImageDimensions(rule="unknown"), ModelSettings()) is None
