"""The text of PDF files, through PDFium, which is imported on first use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import UnreadableDocument

# Between two pages: a paragraph ends there for all that anybody knows.
PAGE_BREAK = "\n\n"
# What PDFium puts for a hyphen at the end of a line, whose halves it has joined already.
HYPHEN_AT_LINE_END = "\x02"


def text_of_pdf(path: Path) -> str:
    """Return the text of every page, words that were hyphenated at a line's end in one piece.

    Raises `UnreadableDocument` for a file that is damaged, encrypted, or has pictures of text
    only, and OSError. Pages without text among others are passed over: they may be figures.
    """
    import pypdfium2 as pdfium

    try:
        with path.open("rb") as file, pdfium.PdfDocument(file) as document:
            pages = [_page_text(document, number) for number in range(len(document))]
    except pdfium.PdfiumError as error:
        raise _unreadable(error) from error
    text = PAGE_BREAK.join(page for page in pages if page)
    if not text:
        raise UnreadableDocument(
            "a PDF without text, such as a scan",
            "Recognise its text first, for example: ocrmypdf scan.pdf text.pdf",
        )
    return text


def _page_text(document: Any, number: int) -> str:
    page = document[number]
    text: str = page.get_textpage().get_text_bounded()
    page.close()
    return text.replace(HYPHEN_AT_LINE_END, "").replace("\r\n", "\n").strip()


def _unreadable(error: Exception) -> UnreadableDocument:
    from pypdfium2 import raw

    code = getattr(error, "err_code", None)
    if code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        return UnreadableDocument(
            "an encrypted PDF",
            "Decrypt it first: qpdf --decrypt --password=... locked.pdf open.pdf",
        )
    return UnreadableDocument(
        "a damaged PDF", "Copy it again, or repair it: qpdf damaged.pdf repaired.pdf"
    )
