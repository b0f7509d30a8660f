"""Degrade pages as a scanner or photocopier does: rotation, blur, noise, JPEG artefacts.

The artefacts are those of the JPEG file that a degraded page is stored as, see `jpeg`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from deepsynth_tui.config.dataset import DegradeSettings
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry

PAPER = 255
MAX_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class DegradedPage:
    """A degraded page, and by how many degrees it is rotated counter-clockwise.

    `jpeg_quality` is that of the file it is to be stored as, None for a PNG file.
    """

    pixels: NDArray[np.uint8]
    rotation: float
    jpeg_quality: int | None


def degrade_page(
    page: NDArray[np.uint8],
    settings: DegradeSettings,
    geometry: PageGeometry,
    rng: np.random.Generator,
) -> DegradedPage:
    """Return a degraded copy of `page` (height by width, 0 full ink, 255 paper).

    The strength of each effect is uniform between none and the maximum in `settings`.
    """
    image = Image.fromarray(page)
    angle = 0.0
    if settings.rotation:
        angle = _angle_on_page(rng.uniform(-settings.rotation, settings.rotation), geometry)
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=PAPER)
    if settings.blur:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, settings.blur)))
    if settings.noise:
        noise = rng.normal(0, rng.uniform(0, settings.noise), page.shape)
        image = Image.fromarray((np.asarray(image) + noise).clip(0, PAPER).astype(np.uint8))
    quality = None
    if settings.jpeg_quality is not None:
        quality = int(rng.integers(settings.jpeg_quality, MAX_JPEG_QUALITY + 1))
    return DegradedPage(np.asarray(image), angle, quality)


def _angle_on_page(angle: float, geometry: PageGeometry) -> float:
    """Halve `angle`, in degrees, until no corner of the text area is rotated off the page."""
    x = geometry.width / 2 - geometry.margin
    y = geometry.height / 2 - geometry.margin
    while True:
        sine, cosine = abs(math.sin(math.radians(angle))), math.cos(math.radians(angle))
        fits_across = x * cosine + y * sine <= geometry.width / 2
        if fits_across and x * sine + y * cosine <= geometry.height / 2:
            return angle
        angle /= 2
