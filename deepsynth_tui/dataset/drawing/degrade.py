"""Pages as a scanner or a bad copy would leave them: turned, blurred, speckled, compressed."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from deepsynth_tui.config.dataset import DegradeSettings
from deepsynth_tui.dataset.drawing.page_geometry import PageGeometry

BARE = 255
BEST_JPEG = 95


def degraded(
    page: NDArray[np.uint8],
    settings: DegradeSettings,
    sheet: PageGeometry,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return `page`, height by width, 0 full ink and 255 bare paper, with some of each flaw.

    How much of each is drawn evenly between none and what the settings allow.
    """
    image = Image.fromarray(page)
    if settings.rotation:
        angle = _inside(rng.uniform(-settings.rotation, settings.rotation), sheet)
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=BARE)
    if settings.blur:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, settings.blur)))
    if settings.noise:
        speckles = rng.normal(0, rng.uniform(0, settings.noise), page.shape)
        image = Image.fromarray((np.asarray(image) + speckles).clip(0, BARE).astype(np.uint8))
    if settings.jpeg_quality:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(settings.jpeg_quality, BEST_JPEG + 1)))
        image = Image.open(file)
    return np.asarray(image)


def _inside(angle: float, sheet: PageGeometry) -> float:
    """Return `angle`, in degrees, halved until no corner of the text is turned off the paper."""
    x, y = sheet.width / 2 - sheet.margin, sheet.height / 2 - sheet.margin
    while True:
        sine, cosine = abs(math.sin(math.radians(angle))), math.cos(math.radians(angle))
        if x * cosine + y * sine <= sheet.width / 2 and x * sine + y * cosine <= sheet.height / 2:
            return angle
        angle /= 2
