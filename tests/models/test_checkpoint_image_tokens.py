"""Image tokens of a page by a checkpoint's files equal those that its processor makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.models.dimensions import image_dimensions
from deepsynth_tui.models.hub_config import find_hub_config
from deepsynth_tui.models.image_tokens import PageSize, page_views
from deepsynth_tui.models.page_resizing import bounded_size
from deepsynth_tui.training.modeling.pixel_limits import apply_pixel_limits
from deepsynth_tui.training.modeling.processor import load_image_text_processor
from tests.training import ocr_models

PAGES = [(64, 64), (300, 420), (210, 90), (40, 700)]
LIMITS: list[dict[str, Any]] = [{}, {"max_pixels": 3000}, {"min_pixels": 40_000}]


@pytest.mark.parametrize(
    "make",
    [
        ocr_models.granite_docling,
        ocr_models.paddleocr_vl,
        ocr_models.glm_ocr,
        ocr_models.lighton_ocr,
        ocr_models.qwen3_5,
        ocr_models.internvl,
    ],
)
def test_tokens_are_those_of_the_processor(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    hub_config = find_hub_config(str(folder))
    image = image_dimensions(hub_config)
    assert image is not None
    whole: Any = load_image_text_processor(str(folder))
    for limits in LIMITS:
        model = ModelSettings(**limits)
        processor, before = apply_pixel_limits(whole, model)
        rest = ModelSettings(min_pixels=before.min_pixels, max_pixels=before.max_pixels)
        for size in PAGES:
            page = Image.new("RGB", bounded_size(size, rest))
            ids = processor(images=[page], text=[processor.image_token])["input_ids"][0]
            views = page_views(PageSize(*size), image, model, length=0)
            assert views is not None
            expected = views.tokens - views.separator_tokens
            assert list(ids).count(processor.image_token_id) == expected, (limits, size)
