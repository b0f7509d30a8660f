"""JPEG files of degraded pages."""

from __future__ import annotations

import io
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepsynth_tui.dataset.drawing.png import Colour

# Below this quality a page hardly gets smaller, and 8 pixels of an edge become one shade.
MIN_QUALITY = 10
# Steps between the qualities tried for a page that would be too large.
STEP = 5


class JpegEncoder:
    """Encodes pages of gray pixels, or of 256 colours from full ink to paper."""

    def __init__(self, palette: list[Colour] | None = None) -> None:
        # A palette of grays is stored as gray.
        self._colours: NDArray[np.uint8] | None = None
        if palette is not None:
            colours = np.array(palette, np.uint8)
            is_gray = (colours == colours[:, :1]).all()
            self._colours = colours[:, 0] if is_gray else colours

    def encode(self, pixels: NDArray[np.uint8], quality: int, max_bytes: int | None) -> bytes:
        """Return `pixels` (height by width, 0 full ink) as a JPEG file.

        A file of more than `max_bytes` bytes is encoded again at the best lower quality, in steps
        of `STEP` down to `MIN_QUALITY`, at which it fits.
        """
        image = Image.fromarray(pixels if self._colours is None else self._colours[pixels])
        data = _encode(image, quality)
        if max_bytes is None or len(data) <= max_bytes:
            return data
        files = {MIN_QUALITY: _encode(image, MIN_QUALITY)}

        def size(lower: int) -> int:
            files[lower] = _encode(image, lower)
            return len(files[lower])

        lower = range(MIN_QUALITY + STEP, quality, STEP)
        fitting = bisect_right(lower, max_bytes, key=size)
        return files[lower[fitting - 1] if fitting else MIN_QUALITY]


def _encode(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()
