"""Pages of PDF files as PNG files, for olmOCR's pairs of PDF and Markdown."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.conversations.errors import UnusableRow

# `target_longest_image_dim` of olmOCR's training configurations since version 0.2.
LONGEST_SIDE = 1288


def render_only_page(path: Path) -> Path:
    """Return a PNG file with the page of a PDF file of one page, as olmOCR trains on.

    The longer side has `LONGEST_SIDE` pixels. The file is kept in the cache.

    Raises:
        UnusableRow: the file is damaged, encrypted, or has another number of pages.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise UnusableRow(f"there is no file {path}") from error
    identity = repr((str(path.resolve()), state.st_size, state.st_mtime_ns, LONGEST_SIDE))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
    image = cache_dir() / "pdf_pages" / digest[:2] / f"{digest}.png"
    if not image.is_file():
        image.parent.mkdir(parents=True, exist_ok=True)
        temporary = image.with_name(f".{image.name}.{os.getpid()}")
        _render(path, temporary)
        temporary.replace(image)
    return image


def _render(path: Path, image: Path) -> None:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise UnusableRow(f"{path} is not a readable PDF file: {error}") from error
    with document:
        if len(document) != 1:
            raise UnusableRow(
                f"{path} has {len(document)} pages; olmOCR has a file with one page for each text",
                "Split the file into pages, each with its own .md file.",
            )
        page = document[0]
        scale = (LONGEST_SIDE - 0.5) / max(page.get_size())  # PDFium rounds up
        page.render(scale=scale).to_pil().convert("RGB").save(image, "PNG", compress_level=1)
