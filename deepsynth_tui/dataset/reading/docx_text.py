"""Extract the text of Word files with `mammoth`, which is imported on first use.

Not python-docx: it leaves out content controls, tracked insertions and footnotes without a word,
and lists lose their numbers.
"""

from __future__ import annotations

import zipfile
from typing import BinaryIO

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.html_text import html_to_text

NOT_READ_OF_DOCX = "headers, footers, comments, formulas and pictures"
# Of the OLE container, in which Word encrypts a file and in which .doc files are stored.
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def docx_to_text(file: BinaryIO) -> str:
    """Return the text with lists, tables, footnotes and endnotes. Raises `UnreadableDocument`."""
    import mammoth

    if file.read(len(OLE_MARK)) == OLE_MARK:
        raise UnreadableDocument(
            "an encrypted or old Word file", "Save it as .docx without a password."
        )
    file.seek(0)
    try:
        page = mammoth.convert_to_html(file, convert_image=lambda image: []).value
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, SyntaxError) as error:
        # `SyntaxError` is the base of the errors of XML parsers.
        raise UnreadableDocument(
            "a damaged .docx file", "Copy it again, or save it again in Word.", str(error)
        ) from error
    return html_to_text(page.encode(), "utf-8")
