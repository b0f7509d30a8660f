"""The process that renders pages of PDF files; `pdf_pages` asks it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pypdfium2

from deepsynth_tui.limited_server import serve_limited


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Write the only page as a PNG file; return the number of pages, or why it is unreadable."""
    try:
        return {"pages": _render(Path(question["path"]), question["side"], question["image"])}
    except pypdfium2.PdfiumError as error:
        return {"unreadable": str(error)}


def _render(path: Path, side: int, image: str) -> int:
    with pypdfium2.PdfDocument(path) as document:
        pages = len(document)
        if pages == 1:
            page = document[0]
            scale = (side - 0.5) / max(page.get_size())  # PDFium rounds up
            bitmap = page.render(scale=scale)
            bitmap.to_pil().convert("RGB").save(image, "PNG", compress_level=1)
        return pages


if __name__ == "__main__":
    sys.exit(serve_limited(answer))
