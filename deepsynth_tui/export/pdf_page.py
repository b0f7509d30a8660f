"""A PDF of one page that is an image, without loss.

The compressed data of JPEG files, and of PNG files without transparency or interlacing, go into the
PDF as they are (PDF 32000-1, 7.4.4.4 and 7.4.8); of other files the pixels do. The package img2pdf
does the same, but needs the 20 MB of pikepdf, a binding to a whole PDF library.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image, ImageOps

from deepsynth_tui.export.row_parts import DoesNotFit

DPI = 150
POINTS_PER_INCH = 72
# PNG colour types: their number of channels and their colour space.
COLOUR_TYPES = {0: (1, b"/DeviceGray"), 2: (3, b"/DeviceRGB"), 3: (1, b"")}
JPEG_COLOURS = {"L": b"/DeviceGray", "RGB": b"/DeviceRGB"}


def pdf_of_image(data: bytes, suffix: str) -> bytes:
    """Return a PDF whose only page is the image file `data`, at `DPI`.

    Raises:
        DoesNotFit: the file is damaged, or its colours cannot be shown without loss.
    """
    try:
        return _pdf_of_image(data, suffix)
    except (OSError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise DoesNotFit("an image is damaged or too large") from error


def _pdf_of_image(data: bytes, suffix: str) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        width, height, mode = *image.size, image.mode
        is_upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    if not is_upright:
        # PDF does not know of the orientation in an image file.
        return _pdf_of_image(_upright_png(data), ".png")
    if suffix == ".jpg" and mode in JPEG_COLOURS:
        image_object = _image(width, height, 8, JPEG_COLOURS[mode], b"/DCTDecode", data)
    else:
        image_object = (_png_image(data) if suffix == ".png" else None) or _pixels(data)
    page_width, page_height = (POINTS_PER_INCH * side / DPI for side in (width, height))
    drawing = b"q %.3f 0 0 %.3f 0 0 cm /Im0 Do Q" % (page_width, page_height)
    return _pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %.3f %.3f] /Contents 4 0 R "
            b"/Resources << /XObject << /Im0 5 0 R >> >> >>" % (page_width, page_height),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
            image_object,
        ]
    )


def _png_image(png: bytes) -> bytes | None:
    """Return the image object of a PNG file, None if its data cannot be taken as they are."""
    chunks = list(_png_chunks(png))
    width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    names = {name for name, _ in chunks}
    if interlaced or b"tRNS" in names or colour_type not in COLOUR_TYPES:
        return None
    channels, colours = COLOUR_TYPES[colour_type]
    if colour_type == 3:
        palette = next(content for name, content in chunks if name == b"PLTE")
        colours = b"[/Indexed /DeviceRGB %d <%s>]" % (len(palette) // 3 - 1, palette.hex().encode())
    filters = b"/FlateDecode /DecodeParms << /Predictor 15 /Colors %d " % channels
    filters += b"/BitsPerComponent %d /Columns %d >>" % (bits, width)
    data = b"".join(content for name, content in chunks if name == b"IDAT")
    return _image(width, height, bits, colours, filters, data)


def _png_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length


def _upright_png(data: bytes) -> bytes:
    """Return an image file turned as its metadata say, as a PNG file without them."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    file = io.BytesIO()
    upright.convert("RGB" if upright.mode == "CMYK" else upright.mode).save(file, "PNG")
    return file.getvalue()


def _pixels(data: bytes) -> bytes:
    """Return the image object of an image file of any kind: its pixels on white paper."""
    with Image.open(io.BytesIO(data)) as opened:
        if opened.mode.startswith(("I", "F")):
            raise DoesNotFit(f"an image has pixels of the kind {opened.mode}")
        image = opened.convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    pixels = Image.alpha_composite(paper, image).convert("RGB").tobytes()
    return _image(*image.size, 8, b"/DeviceRGB", b"/FlateDecode", zlib.compress(pixels))


def _image(
    width: int, height: int, bits: int, colours: bytes, filters: bytes, data: bytes
) -> bytes:
    return (
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent %d "
        b"/ColorSpace %s /Filter %s /Length %d >>\nstream\n%s\nendstream"
    ) % (width, height, bits, colours, filters, len(data), data)


def _pdf(objects: list[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1, the first of which is the catalog."""
    pdf = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    trailer += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return pdf + trailer + b"startxref\n%d\n%%%%EOF\n" % len(pdf)
