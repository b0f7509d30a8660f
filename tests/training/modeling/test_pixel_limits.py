"""`model.min_pixels` and `max_pixels` in the image processors of several families."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoProcessor
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.training.modeling.load import load_model_and_processor
from deepsynth_tui.training.modeling.pixel_limits import PixelLimits, apply_pixel_limits
from tests.training import small_models
from tests.training.conftest import Run, configuration
from tests.training.small_datasets import row, write

PAGES = ((1000, 1400), (1400, 1000), (2000, 500), (900, 900), (120, 80))


class Holder:
    """Holds an image processor as a processor does."""

    def __init__(self, image_processor: Any) -> None:
        self.image_processor = image_processor


def _limited(images: Any, **limits: int) -> tuple[Any, PixelLimits]:
    holder: Any = Holder(images)
    limited, unapplied = apply_pixel_limits(holder, ModelSettings.model_validate(limits))
    return limited.image_processor, unapplied


def _page(size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (*reversed(size), 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("make", [Qwen2VLImageProcessorPil, Glm4vImageProcessorPil])
@pytest.mark.parametrize("size", PAGES)
def test_processors_with_area_limits_apply_ours(
    make: Callable[[], Any], size: tuple[int, int]
) -> None:
    limits = {"min_pixels": 150_000, "max_pixels": 300_000}
    images, unapplied = _limited(make(), **limits)
    assert unapplied == PixelLimits()
    grid = images([_page(size)], return_tensors="pt")["image_grid_thw"][0]
    area = int(grid[1] * grid[2]) * images.patch_size**2
    assert limits["min_pixels"] <= area <= limits["max_pixels"]


def test_one_limit_leaves_the_other_of_the_checkpoint_unless_they_cross() -> None:
    size = {"shortest_edge": 3136, "longest_edge": 1_003_520}
    images, _ = _limited(Qwen2VLImageProcessorPil(size=size), max_pixels=500_000)
    assert dict(images.size) == {"shortest_edge": 3136, "longest_edge": 500_000}
    images, _ = _limited(Qwen2VLImageProcessorPil(size=size), max_pixels=2_000)
    assert dict(images.size) == {"shortest_edge": 2_000, "longest_edge": 2_000}
    images, _ = _limited(Qwen2VLImageProcessorPil(size=size), min_pixels=2_000_000)
    assert dict(images.size) == {"shortest_edge": 2_000_000, "longest_edge": 2_000_000}


def test_the_processor_of_the_caller_is_unchanged() -> None:
    images = Qwen2VLImageProcessorPil()
    before = dict(images.size)
    _limited(images, max_pixels=500_000)
    assert dict(images.size) == before


@pytest.mark.parametrize("size", PAGES)
def test_tiles_stay_within_the_limit(size: tuple[int, int]) -> None:
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}, do_image_splitting=True
    )
    limited, unapplied = _limited(images, max_pixels=1_200_000)
    assert dict(limited.size) == {"longest_edge": 1024}
    assert (unapplied.min_pixels, unapplied.max_pixels) == (None, None)
    assert "longest edge of 1024 pixels" in unapplied.notes[0]
    tiles = limited([[_page(size)]], return_tensors="pt")["pixel_values"].shape[1]
    assert tiles - 1 <= 1_200_000 // 512**2  # one more shows the whole page


def test_what_tiles_cannot_express_is_told() -> None:
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 1024}, max_image_size={"longest_edge": 512}
    )
    limited, unapplied = _limited(images, min_pixels=10, max_pixels=1000)
    assert dict(limited.size) == {"longest_edge": 512}
    assert "model.min_pixels has no effect" in unapplied.notes[0]
    assert "less than a tile of 512 x 512" in unapplied.notes[1]
    assert dict(_limited(images, max_pixels=10**9)[0].size) == {"longest_edge": 1024}


@pytest.mark.parametrize("size", PAGES)
def test_pixtral_limits_the_longest_edge(size: tuple[int, int]) -> None:
    limited, unapplied = _limited(PixtralImageProcessorPil(), max_pixels=400_000)
    height, width = limited([_page(size)], return_tensors="pt")["image_sizes"][0]
    assert int(height) * int(width) <= 400_000
    assert unapplied.max_pixels is None
    assert "longest edge" in unapplied.notes[0]


def test_other_processors_leave_the_limits_to_us() -> None:
    images = Gemma3ImageProcessorPil()
    limited, unapplied = _limited(images, max_pixels=400_000)
    assert limited is images
    assert unapplied.max_pixels == 400_000
    assert "model.max_pixels 400000" in unapplied.notes[0]
    assert _limited(images) == (images, PixelLimits())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "load", "inputs"),
    [
        (small_models.vision_model, AutoProcessor, "pixel_values"),
        # Its processor needs torchvision; the image processor does not.
        (small_models.qwen3_vl, AutoImageProcessor, "pixel_values"),
    ],
)
def test_the_saved_processor_gives_the_pixels_of_training(
    run: Run,
    values: dict[str, Any],
    tmp_path: Path,
    make: Callable[[Path], Path],
    load: Any,
    inputs: str,
) -> None:
    """Of a page that is passed to it as it is."""
    changes = {
        "model__name_or_path": str(make(tmp_path / "model")),
        "model__max_pixels": 5_000,
        "data__path": str(write(tmp_path / "data", [row(n, side=100) for n in range(10)])),
    }
    ran = run(**changes, training__max_steps=1)
    assert ran.verdict == "completed", ran.failure

    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import load_split

    config = configuration(values, **changes)
    collator = Collator(load_model_and_processor(config), config)
    trained = collator([load_split(config, images=True).train[0]])[inputs]
    page = Image.open(_file(row(0, side=100)))
    images = load.from_pretrained(ran.run.adapter)
    images = getattr(images, "image_processor", images)
    seen = images([[page]] if "Idefics" in type(images).__name__ else [page], return_tensors="pt")
    assert torch.equal(seen[inputs], trained)
    saved = json.loads((ran.run.adapter / "processor_config.json").read_text())
    if make is small_models.qwen3_vl:
        assert saved["image_processor"]["size"]["longest_edge"] == 5_000


def _file(dataset_row: dict[str, Any]) -> Any:
    import io

    return io.BytesIO(dataset_row["images"][0]["bytes"])
