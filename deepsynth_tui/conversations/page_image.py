"""Stored images as pages: RGB, upright, opaque, whatever format and mode the file has.

A page goes through these steps, in this order:

1. The file is read: the stored bytes, or the file at the stored path. Pillow recognizes the format
   by the content. An image of more than `MAX_PIXELS` is refused before anything is decoded.
2. The first frame is decoded. A file that is damaged or ends early is refused.
3. The page is turned and mirrored as its EXIF or XMP orientation says, like `datasets` does.
4. Gray values of more than 8 bits are scaled to 8 bits; Pillow would clip them to white.
5. Transparent pixels are laid on white, as a browser does; Pillow would uncover what is below.
6. Palettes are looked up, gray and CMYK are converted to RGB. CMYK and YCCK values of a JPEG are
   inverted first, as Adobe writes them. Colour profiles are ignored, as by `datasets` and by the
   processors of transformers; a browser would convert to sRGB.
7. `training.data.pages` resizes the page to `model.min_pixels` .. `model.max_pixels`.
8. The processor of the model resizes, splits and normalizes it.

The mode of the file is irrelevant from step 6 on. What a step ignores or guesses is a remark of the
page. JPEG files are not decoded at a fraction of their size (`Image.draft`) even if step 7 or 8
shrinks them: it is up to five times as fast, but changes pixels, on a page of text by up to 17 of
255, and who loads the adapter decodes the whole file.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.conversations.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

    from deepsynth_tui.conversations.conversation import StoredImage

# Pillow refuses more, because such a file may be made to fill the memory (Image.open,
# DecompressionBombError). As RGB it is 0.5 GiB.
MAX_PIXELS = 178_956_970

# What the plugins of Pillow raise for damaged files, found by damaging files of each format.
DAMAGED = (
    *(ArithmeticError, EOFError, LookupError, NotImplementedError, OSError, SyntaxError),
    *(TypeError, ValueError, struct.error, zlib.error),
)

BLANK = "a blank page: all of its pixels have the same colour"
DARK = "a page that is nearly black: its 16-bit values use less than a 16th of their range"
FRAMES = "an image of several frames or pages, of which the first is used"
GUESSED_RANGE = "an image with 32-bit values, scaled by the smallest usual range that holds them"
PROFILE = "a colour profile other than sRGB, which is ignored"

# Other files with several frames hold previews or layers beside the image.
FORMATS_WITH_FRAMES = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
GRAY_16 = ("I;16", "I;16B", "I;16L", "I;16N")
DARK_VALUE = 16  # of 255: what is left of 12 bits
USUAL_MAXIMA = (255, 2**16 - 1, 2**32 - 1)
TIFF_BITS, TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0
EXIF_ORIENTATION = 274
SHOWN_BYTES = 8  # of a file of unknown format


@dataclass(frozen=True, slots=True)
class Page:
    """A page as an RGB image, and remarks that complete "the row has ..."."""

    image: Image.Image
    remarks: tuple[str, ...]


def open_page(stored: StoredImage) -> Page:
    """Decode a stored image; see the steps of this module.

    Raises:
        ImageError: there is no file, it is damaged or too large, or its format is unknown.
    """
    with _opened(stored) as image:
        remarks = list(_remarks(image))
        image.load()
        upright = _turn_upright(image)
        if upright.mode in (*GRAY_16, "I", "F"):
            has_range = upright.mode in GRAY_16 or _is_16_bit_pgm(image)
            scale = _scale_16_bits if upright.mode in GRAY_16 else _scale_32_bits
            upright = scale(upright, image)
            if not has_range:
                remarks.append(GUESSED_RANGE)
            elif max(upright.tobytes()) < DARK_VALUE:
                remarks.append(DARK)
        page = _on_white(upright) if upright.has_transparency_data else upright.convert("RGB")
    if page.getcolors(maxcolors=1) is not None:
        remarks.append(BLANK)
    return Page(page, tuple(remarks))


def stored_size(stored: StoredImage) -> tuple[int, int]:
    """Return the (width, height) that `open_page` gives, from the header of the file.

    Raises:
        ImageError: as `open_page`, except that damage behind the header is not noticed.
    """
    with _opened(stored) as image:
        width, height = image.size
        # Pillow has swapped those of a TIFF file.
        swapped = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)
    return (height, width) if swapped else (width, height)


@contextlib.contextmanager
def _opened(stored: StoredImage) -> Iterator[Image.Image]:
    """Open an image file for the block; raise `ImageError` for what Pillow raises in it."""
    from PIL import Image

    try:
        # `MAX_PIXELS` decides what is too large; Pillow warns of half of it.
        with (
            warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            _open(_source(stored)) as image,
        ):
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,}")
            if not image.width or not image.height:
                raise _damaged(f"{image.width} x {image.height} pixels")
            yield image
    except Image.DecompressionBombError as error:
        raise _too_large(f"more than {MAX_PIXELS:,} pixels") from error
    except DAMAGED as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _damaged(reason) from error


def _open(source: io.BytesIO | str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(source)
    except UnidentifiedImageError as error:
        raise ImageError(
            "an image cannot be decoded: its format is unknown, it begins with "
            f"{_first_bytes(source)!r}",
            "Convert it to PNG or JPEG, or remove the row.",
        ) from error
    except FileNotFoundError as error:
        raise ImageError(
            f"there is no image file {source}",
            "Relative paths start at the file that holds the row. Restore the image or remove the "
            "row.",
        ) from error


def _source(stored: StoredImage) -> io.BytesIO | str:
    content, path = stored.get("bytes"), stored.get("path")
    if content:
        return io.BytesIO(content)
    if content is not None:
        raise _damaged("the file has 0 bytes")
    if not path:
        raise ImageError("an image without content", "Fill the image column or remove the row.")
    if "://" in path:
        raise ImageError(
            f"the image is at {path}, which is no file on this machine",
            "Download the images and store their bytes or paths in the dataset.",
        )
    return str(path)


def _first_bytes(source: io.BytesIO | str) -> bytes:
    if isinstance(source, io.BytesIO):
        return source.getvalue()[:SHOWN_BYTES]
    with Path(source).open("rb") as file:
        return file.read(SHOWN_BYTES)


def _damaged(reason: str) -> ImageError:
    return ImageError(
        f"an image cannot be decoded: {reason}",
        "Repair the image, generate the dataset again, or remove the row.",
    )


def _too_large(size: str) -> ImageError:
    return ImageError(
        f"an image has {size}", "Scale it down, or cut it into several pages, or remove the row."
    )


def _remarks(image: Image.Image) -> Iterator[str]:
    if image.format in FORMATS_WITH_FRAMES and getattr(image, "is_animated", False):
        yield FRAMES
    profile = image.info.get("icc_profile") or b""
    in_colour = profile[16:20] in (b"RGB ", b"CMYK")  # ICC.1:2022, table 17
    # The name is ASCII in version 2 of the format, UTF-16 in version 4.
    if in_colour and b"sRGB" not in profile and "sRGB".encode("utf-16-be") not in profile:
        yield PROFILE


def _turn_upright(image: Image.Image) -> Image.Image:
    from PIL import Image

    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(image))
    return image if method is None else image.transpose(method)


def _orientation(image: Image.Image) -> int:
    """Return the orientation, 1 (upright) if there is none or if the EXIF block is damaged.

    Pillow turns TIFF files itself while it decodes them: theirs is 1 afterwards.
    """
    from PIL import Image

    if image.format == "PNG" and "exif" not in image.info and _has_late_exif(image):
        image.load()
    try:
        # `PngImageFile.getexif` decodes every image that has no EXIF block before its pixels.
        return Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)
    except DAMAGED:
        return 1


def _has_late_exif(image: Any) -> bool:
    """Return whether a PNG file may have an EXIF block behind its pixels."""
    if image.fp is None:  # it is decoded
        return False
    position = image.fp.tell()
    has_exif = b"eXIf" in image.fp.read()
    image.fp.seek(position)
    return has_exif


def _scale_16_bits(page: Image.Image, source: Any) -> Image.Image:
    """Scale gray values of 16 bits, or of 12 bits in a TIFF file, to 8 bits."""
    import numpy as np
    from PIL import Image

    is_tiff = source.format == "TIFF"
    bits = source.tag_v2.get(TIFF_BITS, (16,))[0] if is_tiff else 16
    largest = 2**bits - 1
    values = (np.asarray(page).astype(np.uint32) * 255 + largest // 2) // largest
    if is_tiff and source.tag_v2.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        values = 255 - values
    return Image.fromarray(values.astype(np.uint8))


def _is_16_bit_pgm(image: Image.Image) -> bool:
    """Return whether Pillow has read an image as 32 bits and scaled it to 16."""
    return image.format == "PPM" and image.mode == "I"


def _scale_32_bits(page: Image.Image, source: Image.Image) -> Image.Image:
    """Scale integers or floats to 8 bits from the smallest usual range that holds them all.

    Floats up to 1 are fractions.
    """
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(page), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    maxima = USUAL_MAXIMA if page.mode == "I" else (1, *USUAL_MAXIMA)
    if _is_16_bit_pgm(source):
        maxima = (2**16 - 1,)
    largest = next((maximum for maximum in maxima if values.max() <= maximum), values.max())
    return Image.fromarray(np.rint(values.clip(min=0) * (255 / largest)).astype(np.uint8))


def _on_white(page: Image.Image) -> Image.Image:
    from PIL import Image

    pixels = page.convert("RGBA")
    white = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(white, pixels).convert("RGB")
