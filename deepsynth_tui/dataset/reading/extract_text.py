"""Extract the text of a document of any type by the suffix of its file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.decode_text import decode_text
from deepsynth_tui.dataset.reading.docx_text import docx_to_text
from deepsynth_tui.dataset.reading.epub_text import epub_to_text
from deepsynth_tui.dataset.reading.html_text import html_to_text
from deepsynth_tui.dataset.reading.open_file import content_suffix, open_binary
from deepsynth_tui.dataset.reading.pdf_text import pdf_to_text


def _read_plain_text(file: BinaryIO, encoding: str | None) -> str:
    return decode_text(file.read(), encoding)


def _read_html(file: BinaryIO, encoding: str | None) -> str:
    return html_to_text(file.read(), encoding)


def _read_pdf(file: BinaryIO, encoding: str | None) -> str:
    return pdf_to_text(file)


def _read_docx(file: BinaryIO, encoding: str | None) -> str:
    return docx_to_text(file)


def _read_epub(file: BinaryIO, encoding: str | None) -> str:
    return epub_to_text(file)


TEXT_EXTRACTORS: Mapping[str, Callable[[BinaryIO, str | None], str]] = {
    ".txt": _read_plain_text,
    ".md": _read_plain_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
    ".epub": _read_epub,
}
"""File name suffix -> function that returns the text of such a file, given `source.encoding`."""


def extract_text(path: Path, encoding: str | None) -> str:
    """Return the text of a file.

    Raises:
        UnreadableDocument: it cannot be opened, is damaged, encrypted or without text.
    """
    try:
        with open_binary(path) as file:
            # PDF and ZIP files are read from their ends.
            seekable = file if file.seekable() else io.BytesIO(file.read())
            return TEXT_EXTRACTORS[content_suffix(path)](seekable, encoding)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableDocument(
            f"a file that cannot be opened ({reason})",
            "Check its permissions, and its target if it is a link.",
        ) from error
