"""The vision tower: views of a page, dimensions of its layers, and their memory."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.estimate.memory.trainable import count_trainable
from deepsynth_tui.estimate.memory.vision import VisionMemory, vision_memory
from deepsynth_tui.models.image_tokens import PageSize, PageViews, page_views
from deepsynth_tui.models.layout import ImageDimensions
from deepsynth_tui.models.vision_layers import ScoreBias, VisionLayers, vision_layers
from tests.estimate import models
from tests.estimate.models import configure

QWEN = "Qwen/Qwen2.5-VL-3B-Instruct"
DEEPSEEK = "deepseek-community/DeepSeek-OCR-2"
SMOL = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"

PIXELS = ImageDimensions(rule="pixels", patch=14, merge=2)
TILES = ImageDimensions(
    rule="tiles", patch=16, merge=4, tile=512, tile_tokens=64, longest_edge=1024
)
OCR2 = ImageDimensions(
    rule="deepseek_ocr2", patch=16, merge=4, tile=768, tile_tokens=144, longest_edge=1024
)
FIXED = ImageDimensions(rule="fixed", patch=14, tile=336, tile_tokens=576)


@pytest.mark.parametrize(
    ("image", "page", "expected"),
    [
        (PIXELS, PageSize(280, 560), PageViews(tokens=200, global_grid=(40, 20))),
        (
            TILES,
            PageSize(1024, 512),
            PageViews(
                tokens=2 * (64 + 2) + 1 + 64 + 3,
                global_grid=(32, 32),
                tile_count=2,
                tile_side=32,
                separator_tokens=8,
            ),
        ),
        (
            OCR2,
            PageSize(700, 700),
            PageViews(tokens=257, global_grid=(64, 64), tile_count=0, tile_side=48),
        ),
        (
            OCR2,
            PageSize(1600, 800),
            PageViews(tokens=257 + 2 * 144, global_grid=(64, 64), tile_count=2, tile_side=48),
        ),
        (FIXED, PageSize(10, 3000), PageViews(tokens=576, global_grid=(24, 24))),
    ],
)
def test_views_of_a_known_page(image: ImageDimensions, page: PageSize, expected: PageViews):
    assert page_views(page, image, ModelSettings(), length=2048) == expected
    assert page_views(page, image, ModelSettings(), length=16) == expected


@pytest.mark.parametrize(
    ("image", "length", "tokens"),
    [
        (PIXELS, 1024, 31**2),
        (TILES, 2048, 4 * 66 + 2 + 67),
        (OCR2, 1024, 257 + 5 * 144),
        (OCR2, 8192, 257 + 6 * 144),
        (OCR2, 500, 257),
        (FIXED, 2048, 576),
    ],
)
def test_without_a_page_the_views_fill_the_row(image: ImageDimensions, length: int, tokens: int):
    views = page_views(None, image, ModelSettings(), length)
    assert views is not None
    assert views.tokens == tokens < length


@pytest.mark.parametrize("image", [TILES, OCR2, FIXED])
def test_no_views_if_no_page_fits_the_row(image: ImageDimensions):
    assert page_views(None, image, ModelSettings(), length=128) is None


def test_an_unknown_rule_has_no_views():
    assert (
        page_views(PageSize(9, 9), ImageDimensions(rule="unknown"), ModelSettings(), 2048) is None
    )


def test_patches_include_all_views():
    assert PageViews(tokens=0, global_grid=(40, 20)).patches == 800
    assert (
        PageViews(tokens=0, global_grid=(64, 64), tile_count=2, tile_side=48).patches
        == 64**2 + 2 * 48**2
    )


def test_a_pixel_limit_applies_without_a_page():
    views = page_views(None, PIXELS, ModelSettings(max_pixels=100 * 28**2), length=2048)
    assert views is not None
    assert views.tokens == 100


def test_vision_layers_of_the_default_model():
    sam, encoder = vision_layers(models.shipped(DEEPSEEK))
    assert sam == VisionLayers(
        prefix="model.vision_tower.sam_encoder.layers",
        layers=12,
        hidden=768,
        qkv=3 * 768,
        fused_qkv=True,
        qk_norm=False,
        inner=3072,
        gated=False,
        layer_norm=True,
        biases=(ScoreBias(8, 12, 14, is_global=False), ScoreBias(4, 12, 64, is_global=True)),
    )
    assert (encoder.layers, encoder.hidden, encoder.inner) == (24, 896, 4864)
    assert encoder.qkv == (14 + 2 * 2) * 64
    assert encoder.gated
    assert not encoder.fused_qkv
    assert not encoder.layer_norm
    assert not encoder.biases


@pytest.mark.parametrize(
    ("name", "layers", "hidden", "inner", "fused", "gated"),
    [
        (QWEN, 32, 1280, 3420, True, True),
        ("Qwen/Qwen3-VL-2B-Instruct", 24, 1024, 4096, True, False),
        (SMOL, 12, 768, 3072, False, False),
    ],
)
def test_vision_layers_of_shipped_models(
    name: str, layers: int, hidden: int, inner: int, fused: bool, gated: bool
):
    (stack,) = vision_layers(models.shipped(name))
    assert (stack.layers, stack.hidden, stack.inner) == (layers, hidden, inner)
    assert (stack.fused_qkv, stack.gated) == (fused, gated)
    assert stack.qkv == 3 * hidden
    assert not stack.biases


def test_a_language_model_has_no_vision_layers():
    assert vision_layers(models.shipped("Qwen/Qwen3-0.6B")) == ()


def memory_of(
    name: str,
    config: TrainingConfig,
    *,
    page: PageSize | None = None,
    length: int = 2048,
) -> VisionMemory:
    layout = models.shipped(name)
    return vision_memory(config, layout, count_trainable(config, layout), page, length)


FROZEN = configure()


def trained_vision(*, checkpointing: bool) -> TrainingConfig:
    return configure(
        model={"freeze_vision_tower": False}, training={"gradient_checkpointing": checkpointing}
    )


@pytest.mark.parametrize("name", [QWEN, DEEPSEEK, SMOL])
def test_a_frozen_tower_saves_only_its_pixels(name: str):
    frozen = memory_of(name, FROZEN)
    image = models.shipped(name).image
    assert image is not None
    frames = 2 if image.rule == "pixels" else 1
    assert frozen.saved == frozen.patches * image.patch**2 * 3 * frames * 4
    assert frozen.workspace > 0


@pytest.mark.parametrize("name", [QWEN, DEEPSEEK, SMOL])
def test_a_trained_tower_saves_every_layer_without_checkpointing(name: str):
    frozen = memory_of(name, FROZEN)
    recomputed = memory_of(name, trained_vision(checkpointing=True))
    not_recomputed = memory_of(name, trained_vision(checkpointing=False))
    assert frozen.saved < recomputed.saved < not_recomputed.saved
    assert frozen.workspace < recomputed.workspace
    assert not_recomputed.saved > 5 * recomputed.saved


def test_memory_grows_with_the_pages_of_a_batch():
    single, four = (
        memory_of(
            QWEN,
            configure(training={"per_device_train_batch_size": rows}),
            page=PageSize(560, 560),
        )
        for rows in (1, 4)
    )
    assert single.tokens == four.tokens == 400
    assert (four.patches, four.saved, four.workspace) == (
        4 * single.patches,
        4 * single.saved,
        4 * single.workspace,
    )


def test_no_vision_memory_without_a_page():
    assert memory_of("Qwen/Qwen3-0.6B", FROZEN) == VisionMemory(0, 0, 0, 0, 0)
    assert memory_of(DEEPSEEK, FROZEN, length=128) == VisionMemory(0, 0, 0, 0, 0)
