"""Images of every kind become the page that `datasets` or a browser shows."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image, ImageCms

from deepsynth_tui.conversations import page_image
from deepsynth_tui.conversations.conversation import StoredImage
from deepsynth_tui.conversations.errors import ImageError
from deepsynth_tui.conversations.page_image import open_page, stored_size

WIDTH, HEIGHT = 24, 16
RAMP = np.linspace(0, 255, WIDTH).round().astype(np.uint8)
GRAY = np.tile(RAMP, (HEIGHT, 1))


def _picture() -> Image.Image:
    """Return a picture that looks different in each orientation."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (200, 0, 0)
    pixels[: HEIGHT // 2, WIDTH // 2 :] = (0, 0, 200)
    return Image.fromarray(pixels)


def _stored(image: Image.Image, format: str, **options: Any) -> StoredImage:
    file = io.BytesIO()
    image.save(file, format, **options)
    return {"bytes": file.getvalue(), "path": None}


def _pixels(stored: StoredImage) -> np.ndarray:
    page = open_page(stored).image
    assert page.mode == "RGB"
    assert page.size == stored_size(stored)
    return np.asarray(page).astype(int)


def _with_late_exif(stored: StoredImage) -> StoredImage:
    """Move the EXIF block of a PNG file behind its pixels."""
    content, start = stored["bytes"], stored["bytes"].index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    last = content.index(b"IEND") - 4
    moved = content[:start] + content[end:last] + content[start:end] + content[last:]
    return {"bytes": moved, "path": None}


def _with_xmp(stored: StoredImage, orientation: int) -> StoredImage:
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"/>'.encode()
    block = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    content = stored["bytes"]
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    return {"bytes": content[:2] + segment + content[2:], "path": None}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "late PNG", "XMP", "MPO"])
def test_photos_are_turned_as_datasets_does(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if format == "XMP":
        stored = _with_xmp(_stored(_picture(), "JPEG", quality=95), orientation)
    elif format == "late PNG":
        stored = _with_late_exif(_stored(_picture(), "PNG", exif=exif))
    else:
        stored = _stored(_picture(), format, exif=exif)
    expected = datasets.Image().decode_example(dict(stored)).convert("RGB")
    assert stored_size(stored) == expected.size
    assert stored_size(stored) == ((WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH))
    assert np.array_equal(_pixels(stored), np.asarray(expected))


def test_a_damaged_exif_block_is_ignored() -> None:
    stored = _stored(_picture(), "JPEG", exif=b"Exif\0\0no tags at all")
    assert _pixels(stored).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "JPEG2000"])
@pytest.mark.parametrize("largest", [2**16 - 1, 200])
def test_16_bit_gray_is_scaled(format: str, largest: int) -> None:
    """A value of 200 of 65535 is as good as black, and not light gray."""
    wide = (GRAY.astype(np.uint16) * 257) if largest > 255 else np.minimum(GRAY, largest)
    stored = _stored(Image.fromarray(wide.astype(np.uint16)), format)
    expected = GRAY if largest > 255 else np.rint(wide / 257)
    assert open_page(stored).remarks == ((page_image.DARK,) if largest <= 255 else ())
    assert np.abs(_pixels(stored) - np.repeat(expected[..., None], 3, axis=2)).max() <= 1


@pytest.mark.parametrize(
    "values",
    [
        GRAY.astype(np.int32),
        GRAY.astype(np.int32) * 257,
        GRAY.astype(np.float32),
        GRAY.astype(np.float32) * 257,
        (GRAY / 255).astype(np.float32),
    ],
    ids=["int 8", "int 16", "float 8", "float 16", "fractions"],
)
def test_the_range_of_32_bit_gray_is_guessed_and_said(values: np.ndarray) -> None:
    page = open_page(_stored(Image.fromarray(values), "TIFF"))
    assert page.remarks == (page_image.GUESSED_RANGE,)
    assert np.abs(np.asarray(page.image)[..., 0].astype(int) - GRAY).max() <= 1


def test_values_that_are_no_numbers_are_black() -> None:
    values = (GRAY / 255).astype(np.float32)
    values[0, 5:8] = (np.nan, np.inf, -3)
    pixels = _pixels(_stored(Image.fromarray(values), "TIFF"))
    assert not pixels[0, 5:8].any()
    assert pixels.max() == 255


def _tiff_16(photometric: int, bits: int, values: np.ndarray) -> StoredImage:
    """Return an uncompressed gray TIFF file, which Pillow cannot write like this."""
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(int)
        packed = [(a >> 4, (a & 15) << 4 | b >> 8, b & 255) for a, b in pairs]
        data = np.array(packed, np.uint8).tobytes()
    else:
        data = values.astype("<u2").tobytes()
    tags = {256: WIDTH, 257: HEIGHT, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1}
    tags |= {278: HEIGHT, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    folder = struct.pack("<H", len(tags)) + entries + bytes(4)
    return {"bytes": header + data + folder, "path": None}


def test_tiff_gray_that_pillow_does_not_scale() -> None:
    white_is_zero = _tiff_16(0, 16, 65535 - GRAY.astype(np.uint16) * 257)
    assert np.abs(_pixels(white_is_zero)[..., 0] - GRAY).max() <= 1
    twelve_bits = _tiff_16(1, 12, np.rint(GRAY / 255 * 4095))
    assert np.abs(_pixels(twelve_bits)[..., 0] - GRAY).max() <= 1


def _transparent_palette() -> StoredImage:
    image = Image.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (0, 0, 8, 8))
    return _stored(image, "PNG", transparency=0)


def _alpha(mode: str, format: str) -> StoredImage:
    """Return black, transparent at the right, with an opaque dark square at the top left."""
    image = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255) if mode == "RGBA" else (60, 60, 60, 255), (0, 0, 8, 8))
    return _stored(image.convert(mode), format, **({"lossless": True} if format == "WEBP" else {}))


@pytest.mark.parametrize(
    ("stored", "ink"),
    [
        (_alpha("RGBA", "PNG"), (200, 0, 0)),
        (_alpha("LA", "PNG"), (60, 60, 60)),
        (_alpha("RGBA", "WEBP"), (200, 0, 0)),
        (_alpha("RGBA", "TIFF"), (200, 0, 0)),
        (_transparent_palette(), (200, 0, 0)),
        (_stored(Image.new("RGB", (WIDTH, HEIGHT)), "PNG", transparency=(0, 0, 0)), None),
        (_stored(Image.new("L", (WIDTH, HEIGHT)), "PNG", transparency=0), None),
        (_stored(Image.new("1", (WIDTH, HEIGHT)), "PNG", transparency=0), None),
    ],
    ids=["RGBA", "LA", "WebP", "TIFF", "palette", "RGB colour", "gray value", "1 bit"],
)
def test_transparent_pixels_are_white(
    stored: StoredImage, ink: tuple[int, int, int] | None
) -> None:
    pixels = _pixels(stored)
    assert tuple(pixels[-1, -1]) == (255, 255, 255)
    if ink:
        assert tuple(pixels[2, 2]) == ink
    else:
        assert open_page(stored).remarks == (page_image.BLANK,)


def test_half_transparent_ink_is_laid_on_white() -> None:
    image = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 128))
    assert np.abs(_pixels(_stored(image, "PNG")) - 127).max() <= 1


def test_black_and_white_and_palettes() -> None:
    bits = Image.fromarray(GRAY > 127)
    for stored in (_stored(bits, "PNG"), _stored(bits, "TIFF", compression="group4")):
        assert np.array_equal(_pixels(stored)[..., 0], (GRAY > 127) * 255)
    assert np.array_equal(_pixels(_stored(_picture().quantize(8), "PNG")), np.asarray(_picture()))


def test_cmyk_and_ycck_jpeg() -> None:
    """Adobe stores inverted values; YCCK has the YCbCr values of their complement."""
    cmyk = _stored(Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0)), "JPEG", quality=100)
    assert np.abs(_pixels(cmyk) - (255, 0, 0)).max() <= 2
    red, green, blue = 200, 30, 60
    complement = Image.new("RGB", (1, 1), (255 - red, 255 - green, 255 - blue))
    y, cb, cr = np.asarray(complement.convert("YCbCr"))[0, 0].tolist()
    # Pillow inverts what it writes.
    values = Image.new("CMYK", (WIDTH, HEIGHT), (255 - y, 255 - cb, 255 - cr, 0))
    content = bytearray(_stored(values, "JPEG", quality=100)["bytes"])
    transform = content.index(b"Adobe") + 11
    assert content[transform] == 0
    content[transform] = 2
    assert np.abs(_pixels({"bytes": bytes(content), "path": None}) - (red, green, blue)).max() <= 3


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_the_first_frame_is_used_and_that_is_said(format: str) -> None:
    frames = [_picture(), Image.new("RGB", (WIDTH, HEIGHT), "green")]
    options = {"lossless": True} if format == "WEBP" else {}
    stored = _stored(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert open_page(stored).remarks == (page_image.FRAMES,)
    assert np.array_equal(_pixels(stored), np.asarray(_picture()))
    assert open_page(_stored(_picture(), format)).remarks == ()


def test_the_preview_in_a_photo_is_no_second_page() -> None:
    preview = _picture().resize((8, 6))
    stored = _stored(_picture(), "MPO", save_all=True, append_images=[preview])
    assert open_page(stored).remarks == ()


def test_a_colour_profile_is_ignored_and_that_is_said() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert open_page(_stored(_picture(), "PNG", icc_profile=srgb)).remarks == ()
    other = srgb.replace(b"sRGB", b"wide").replace("sRGB".encode("utf-16-be"), b"wide wid")
    stored = _stored(_picture(), "PNG", icc_profile=other)
    assert open_page(stored).remarks == (page_image.PROFILE,)
    assert np.array_equal(_pixels(stored), np.asarray(_picture()))


def test_blank_pages_are_noticed() -> None:
    blank = Image.new("RGB", (WIDTH, HEIGHT), "ivory")
    assert open_page(_stored(blank, "JPEG")).remarks == (page_image.BLANK,)
    blank.putpixel((3, 3), (0, 0, 0))
    assert open_page(_stored(blank, "PNG")).remarks == ()


def _header_only_png(width: int, height: int) -> StoredImage:
    def chunk(name: bytes, content: bytes) -> bytes:
        sum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", sum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return {"bytes": b"\x89PNG\r\n\x1a\n" + chunks, "path": None}


PNG = _stored(_picture(), "PNG")["bytes"]
JPEG = _stored(Image.effect_noise((200, 200), 60), "JPEG")["bytes"]


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({"bytes": b"", "path": None}, "the file has 0 bytes"),
        ({"bytes": b"", "path": "page.png"}, "the file has 0 bytes"),
        ({"bytes": None, "path": None}, "without content"),
        ({"bytes": None, "path": "/no/such/page.png"}, "there is no image file /no/such/page.png"),
        ({"bytes": None, "path": "https://host/page.png"}, "no file on this machine"),
        (
            {"bytes": b"%PDF-1.7 no image", "path": None},
            r"it begins with b'%PDF-1.7'",
        ),
        ({"bytes": PNG[: len(PNG) // 2], "path": None}, "cannot be decoded"),
        ({"bytes": JPEG[: len(JPEG) // 2], "path": None}, "truncated"),
        (_header_only_png(14_000, 14_000), "more than 178,956,970 pixels"),
        (_header_only_png(13_000, 13_000), "cannot be decoded"),  # not too large, but truncated
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_page_is_refused_with_advice(stored: StoredImage, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as refused:
        open_page(stored)
    assert refused.value.advice
    assert not refused.value.message.endswith(".")


@pytest.mark.parametrize("make", [str, lambda path: path.parent], ids=["file", "folder"])
def test_a_path(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    (tmp_path / "page.png").write_bytes(PNG)
    stored = {"bytes": None, "path": str(make(tmp_path / "page.png"))}
    if stored["path"].endswith("png"):
        assert np.array_equal(_pixels(stored), np.asarray(_picture()))
    else:
        with pytest.raises(ImageError, match="Is a directory"):
            open_page(stored)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_is_a_page_or_refused(format: str) -> None:
    """Whatever byte is wrong, no other exception reaches the caller."""
    content = _stored(_picture(), format)["bytes"]
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for position in random.integers(len(content), size=random.integers(1, 6)):
            damaged[position] = random.integers(256)
        stored = {"bytes": bytes(damaged[: random.integers(len(content) // 2, len(content) + 1)])}
        with contextlib.suppress(ImageError):
            open_page(stored)
