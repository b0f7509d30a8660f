"""PDF files of a few lines, written by hand (ISO 32000-1, 7.5)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def pdf(pages: Sequence[Sequence[str]], *, locked: bool = False) -> bytes:
    """Return a PDF file with these lines on each page; `locked` needs a password that nobody has.

    A page without lines shows a gray picture, as a scan does.
    """
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        content = _content(lines)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    trailer = f"/Size {len(objects) + 1} /Root 1 0 R"
    if locked:
        key = "<" + "5a" * 32 + ">"
        trailer += f" /Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >>"
        trailer += " /ID [<00> <00>]"
    return _file([text.encode("cp1252") for text in objects], trailer)


def pdf_bomb(size: int) -> bytes:
    """Return a PDF file of a page whose content unpacks to about `size` bytes of text operators."""
    shown = b"(xxxxxxxxxx) Tj T*\n"
    content = b"BT /F1 1 Tf 1 TL 20 280 Td " + shown * (size // len(shown)) + b" ET"
    packed = zlib.compress(content, 9)
    stream = f"<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 5 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>",
        stream + packed + b"\nendstream",
    ]
    return _file(objects, f"/Size {len(objects) + 1} /Root 1 0 R")


def _content(lines: Sequence[str]) -> str:
    if not lines:
        return "0.5 g 50 50 200 200 re f"
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    return f"BT /F1 12 Tf 14 TL 20 280 Td {shown} ET"


def _file(objects: Sequence[bytes], trailer: str) -> bytes:
    data = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    return (
        data
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer\n<< {trailer} >>\nstartxref\n{len(data)}\n%%EOF\n"
        ).encode()
    )
