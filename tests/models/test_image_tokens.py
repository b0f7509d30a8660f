"""Tokens per page equal those of the models' processors."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from transformers import AutoConfig, GraniteDoclingProcessor, SmolVLMImageProcessorPil
from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
    DeepseekOcr2ImageProcessorPil,
)
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.granite_docling.image_processing_pil_granite_docling import (
    GraniteDoclingImageProcessorPil,
)
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import (
    PaddleOCRVLImageProcessorPil,
)
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
    Qwen2VLImageProcessorPil,
    smart_resize,
)

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.hub_config import HubConfig
from deepsynth_tui.models.image_tokens import PageSize, page_tokens, page_views
from deepsynth_tui.models.layout import ImageDimensions
from deepsynth_tui.models.page_resizing import bounded_size
from deepsynth_tui.training.modeling.pixel_limits import apply_pixel_limits
from tests.estimate import models
from tests.training import chat_tokenizer

STRIPS = [(30, 4000), (4000, 30), (12, 2000), (2000, 12), (20, 20), (5, 9), (449, 448)]
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


@pytest.mark.parametrize("limit", [None, 500_000])
@pytest.mark.parametrize(("width", "height"), PAGES)
def test_deepseek_ocr2_gets_pages_within_the_limit(width: int, height: int, limit: int | None):
    image = models.shipped("deepseek-community/DeepSeek-OCR-2").image
    assert image is not None
    model = ModelSettings(max_pixels=limit)
    page = Image.new("RGB", bounded_size((width, height), model))
    tiles = int(DeepseekOcr2ImageProcessorPil()(images=[page])["num_local_patches"][0])
    assert page_tokens(PageSize(width, height), image, model) == 256 + 144 * tiles + 1


def image_of(model_type: str, processor: Any = None) -> ImageDimensions:
    settings = {} if processor is None else processor.to_dict()
    image = image_dimensions(HubConfig(AutoConfig.for_model(model_type), settings, "folder"))
    assert image is not None
    return image


@pytest.mark.parametrize(
    "limits", [{}, {"min_pixels": 2_000_000}, {"max_pixels": 300_000}], ids=str
)
@pytest.mark.parametrize(
    ("model_type", "processor"),
    [
        ("qwen2_5_vl", Qwen2VLImageProcessorPil()),
        ("paddleocr_vl", PaddleOCRVLImageProcessorPil()),
        ("glm_ocr", Glm46VImageProcessorPil()),
    ],
    ids=["qwen2_5_vl", "paddleocr_vl", "glm_ocr"],
)
@pytest.mark.parametrize(("width", "height"), [*PAGES, *STRIPS, (5000, 7000)])
def test_tokens_of_pixel_models_are_those_of_their_processor(
    model_type: str, processor: Any, width: int, height: int, limits: dict[str, Any]
):
    model = ModelSettings(**limits)
    images: Any = SimpleNamespace(image_processor=processor)
    limited = apply_pixel_limits(images, model)[0].image_processor
    patches = limited.get_number_of_image_patches(height, width, {})
    tokens = page_tokens(PageSize(width, height), image_of(model_type, processor), model)
    assert tokens == patches // 4


@pytest.mark.parametrize("tiles", [{}, {"min_patches": 2, "max_patches": 6}, {"max_patches": 1}])
@pytest.mark.parametrize(("width", "height"), [*PAGES, *STRIPS])
def test_tokens_of_internvl(width: int, height: int, tiles: dict[str, Any]):
    processor = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448}, crop_to_patches=True, **tiles
    )
    views = processor.get_number_of_image_patches(height, width)
    image = image_of("internvl", processor)
    assert page_tokens(PageSize(width, height), image, ModelSettings()) == 256 * views + 2


DENSE = {"dense_max_patches": 48, "dense_max_scale": 0.9, "dense_min_aspect": 1.2}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_patches": 12},
        {"crop_to_patches": False},
        {"fine_route": True},
        DENSE,
        DENSE | {"dense_max_aspect": 2.0},
    ],
    ids=str,
)
@pytest.mark.parametrize(("width", "height"), [*PAGES, *STRIPS])
def test_tokens_of_granite_docling(width: int, height: int, settings: dict[str, Any]):
    processor: Any = GraniteDoclingImageProcessorPil(**settings)
    rows, columns = processor.get_tile_grid(height, width)
    inputs: dict[str, Any] = {"rows": [[rows]], "cols": [[columns]]}
    inputs |= {"tile_fine_mask": None} if processor.fine_route else {}
    prompt = GraniteDoclingProcessor(processor, chat_tokenizer.tokenizer()).replace_image_token(
        inputs, 0
    )
    tokens = len(re.findall(r"<[^>]+>|\n+", prompt))
    image = image_of("granite_docling", processor)
    assert page_tokens(PageSize(width, height), image, ModelSettings()) == tokens


@pytest.mark.parametrize("patch", [14, 28])
@pytest.mark.parametrize(("width", "height"), [*PAGES, *STRIPS])
def test_tokens_of_lighton_ocr(width: int, height: int, patch: int):
    processor = PixtralImageProcessorPil(size={"longest_edge": 1540}, patch_size=patch)
    high, wide = processor(images=[Image.new("RGB", (width, height))])["image_sizes"][0]
    views = page_views(
        PageSize(width, height), image_of("lighton_ocr", processor), ModelSettings(), 0
    )
    assert views is not None
    assert views.tokens == (high // 28) * (wide // 28)
    assert views.global_grid == (high // 14, wide // 14)


@pytest.mark.parametrize(
    ("model_type", "length", "tokens"),
    [
        ("internvl", 512, 258),
        ("internvl", 2048, 7 * 256 + 2),
        ("internvl", 8192, 13 * 256 + 2),
        ("granite_docling", 1024, 14 * 66 + 14 + 67),
        ("granite_docling", 8192, 32 * 66 + 16 + 67),
        ("lighton_ocr", 1024, 31**2),
        ("lighton_ocr", 8192, 55**2),
    ],
)
def test_the_largest_page_fits_the_row(model_type: str, length: int, tokens: int):
    views = page_views(None, image_of(model_type), ModelSettings(), length)
    assert views is not None
    assert views.tokens == tokens


def test_tokens_of_other_families():
    page = PageSize(1240, 1754)
    assert page_tokens(page, image_of("gemma3"), ModelSettings()) == 256
    for model_type in ("mistral3", "llava_next"):
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
