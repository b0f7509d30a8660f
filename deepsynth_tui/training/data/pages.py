"""Pages of a row as the model gets them: resized to `min_pixels` .. `max_pixels`.

`conversations.page_image` lists all steps from the file to the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image

from deepsynth_tui.conversations.page_image import open_page, stored_size

if TYPE_CHECKING:
    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.conversations.conversation import StoredImage


def load_page(stored: StoredImage, model: ModelSettings) -> Image.Image:
    """Decode an image to RGB and resize it to `model.min_pixels` .. `model.max_pixels`.

    Raises:
        ImageError: the image cannot be used.
    """
    page = open_page(stored).image
    size = bounded_size(page.size, model)
    return page if size == page.size else page.resize(size, Image.Resampling.LANCZOS)


def page_size(stored: StoredImage, model: ModelSettings) -> tuple[int, int]:
    """Return the (width, height) that `load_page` gives; reads only the header of the file.

    Raises:
        ImageError: the image cannot be used.
    """
    return bounded_size(stored_size(stored), model)


def bounded_size(size: tuple[int, int], model: ModelSettings) -> tuple[int, int]:
    """Scale a (width, height) so that its area lies between min_pixels and max_pixels.

    The aspect ratio is kept.
    """
    area = size[0] * size[1]
    bounded_area = max(area, model.min_pixels or area)
    bounded_area = min(bounded_area, model.max_pixels or bounded_area)
    if bounded_area == area:
        return size
    scale = math.sqrt(bounded_area / area)
    # A smaller page is rounded down and a larger one up, so that neither leaves the bounds.
    rounding = math.floor if scale < 1 else math.ceil
    return max(1, rounding(size[0] * scale)), max(1, rounding(size[1] * scale))
