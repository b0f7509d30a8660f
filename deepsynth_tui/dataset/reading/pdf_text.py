"""Extract the text of PDF files with PDFium, which is imported on first use."""

from __future__ import annotations

from typing import Any, BinaryIO

from deepsynth_tui.dataset.errors import UnreadableDocument

# Between two pages: whether a paragraph continues there is unknown.
PAGE_BREAK = "\n\n"
# PDFium joins a word hyphenated at a line end and marks the place with this character.
HYPHEN_AT_LINE_END = "\x02"


def pdf_to_text(file: BinaryIO) -> str:
    """Return the text of all pages, with words hyphenated at line ends joined.

    Pages without text among others are skipped: they may be figures. Raises `UnreadableDocument`
    for a file that is damaged, encrypted or holds only images.
    """
    import pypdfium2 as pdfium

    try:
        with pdfium.PdfDocument(file) as document:
            pages = [_page_text(document, number) for number in range(len(document))]
    except pdfium.PdfiumError as error:
        raise _unreadable_document(error) from error
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


def _unreadable_document(error: Exception) -> UnreadableDocument:
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
