"""The code of the model card opens a page as training does."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from deepsynth_tui.conversations import page_image
from deepsynth_tui.training.result.usage_code import OPEN_PAGE

SIZE = (24, 16)
GRAY = np.tile(np.linspace(0, 65535, SIZE[0]).round().astype(np.uint16), (SIZE[1], 1))


def _ink(mode: str) -> Image.Image:
    """Return dark ink on a transparent page."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 8, 8))
    image.paste((0, 0, 0, 100), (8, 8, 16, 16))
    return image.convert(mode)


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[page_image.EXIF_ORIENTATION] = 6
    return _saved(_ink("RGBA").convert("RGB"), "JPEG", exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        _rotated(),
        _saved(Image.fromarray(GRAY), "PNG"),
        _saved(Image.fromarray(GRAY), "TIFF"),
        _saved(_ink("RGBA"), "PNG"),
        _saved(_ink("LA"), "PNG"),
        _saved(_ink("RGB").quantize(8), "PNG", transparency=0),
        _saved(Image.new("L", SIZE), "PNG", transparency=0),
        _saved(Image.new("RGB", SIZE), "PNG", transparency=(0, 0, 0)),
        _saved(Image.fromarray(GRAY > 20_000), "TIFF", compression="group4"),
        _saved(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"),
    ],
    ids=[
        *("rotated", "16-bit PNG", "16-bit TIFF", "RGBA", "LA", "palette", "gray value"),
        *("RGB colour", "1 bit", "CMYK"),
    ],
)
def test_pages_are_opened_as_in_training(content: bytes) -> None:
    names: dict[str, Any] = {"Image": Image, "ImageOps": ImageOps, "np": np}
    exec(OPEN_PAGE, names)
    open_page: Callable[[io.BytesIO], Image.Image] = names["open_page"]
    page = open_page(io.BytesIO(content))
    expected = page_image.open_page({"bytes": content, "path": None}).image
    assert page.mode == "RGB"
    assert np.array_equal(np.asarray(page), np.asarray(expected))
