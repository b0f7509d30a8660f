"""Pages are decoded, and resized to `min_pixels` .. `max_pixels`."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.conversations.errors import ImageError
from deepsynth_tui.models.page_resizing import bounded_size
from deepsynth_tui.training.data.pages import load_page, page_size
from tests.training.small_datasets import row


def test_sizes_are_within_the_bounds() -> None:
    model = ModelSettings(min_pixels=100 * 100, max_pixels=200 * 200)
    assert bounded_size((150, 150), model) == (150, 150)
    for size in ((1000, 500), (20, 40), (4000, 3)):
        width, height = bounded_size(size, model)
        assert width * height <= 200 * 200
        assert width * height >= 100 * 100 * 0.97
    assert bounded_size((400, 400), model) == (200, 200)


def test_the_size_is_known_without_decoding() -> None:
    model = ModelSettings(max_pixels=40 * 40)
    (stored,) = row(0, side=80)["images"]
    assert page_size(stored, model) == load_page(stored, model).size == (40, 40)
    assert load_page(stored, model).mode == "RGB"


def test_a_damaged_image_is_refused() -> None:
    with pytest.raises(ImageError, match="format is unknown"):
        load_page({"bytes": b"no image", "path": None}, ModelSettings())
