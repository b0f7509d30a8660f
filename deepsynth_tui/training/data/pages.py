"""Page images of a row: stored bytes to RGB images, resized to `min_pixels` .. `max_pixels`."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.model import ModelSettings
    from deepsynth_tui.conversations.conversation import StoredImage


def load_page(stored: StoredImage, model: ModelSettings) -> Image.Image:
    """Decode an image to RGB and resize it to `model.min_pixels` .. `model.max_pixels`.

    Raises:
        TrainingError: the image is damaged or of an unknown format.
    """
    with _open_image(stored) as image:
        try:
            page = image.convert("RGB")
        except (OSError, SyntaxError) as error:  # Pillow raises either for a damaged file
            raise _decoding_error(stored, str(error)) from error
    size = bounded_size(page.size, model)
    return page if size == page.size else page.resize(size, Image.Resampling.LANCZOS)


def page_size(stored: StoredImage, model: ModelSettings) -> tuple[int, int]:
    """Return the (width, height) that `load_page` gives; reads only the header of the file."""
    with _open_image(stored) as image:
        return bounded_size(image.size, model)


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


def _open_image(stored: StoredImage) -> Image.Image:
    source = io.BytesIO(stored["bytes"]) if stored.get("bytes") else stored["path"]
    try:
        return Image.open(source)
    except UnidentifiedImageError as error:
        raise _decoding_error(stored, "unknown format") from error


def _decoding_error(stored: StoredImage, reason: str) -> TrainingError:
    return TrainingError(
        f"an image cannot be decoded ({stored.get('path') or 'no file name'}): {reason}",
        "Generate the dataset again, or remove the row.",
    )
