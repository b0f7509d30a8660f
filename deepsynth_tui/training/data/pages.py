"""Pages of a row as the model gets them: resized to `min_pixels` .. `max_pixels`.

`conversations.page_image` lists all steps from the file to the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from deepsynth_tui.conversations.page_image import open_page, stored_size
from deepsynth_tui.models.page_resizing import bounded_size

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
