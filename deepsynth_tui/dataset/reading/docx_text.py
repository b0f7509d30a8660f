"""Extract the text of Word files with `mammoth`, which is imported on first use.

Not python-docx: it leaves out content controls, tracked insertions and footnotes without a word,
and lists lose their numbers.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import Any, BinaryIO
from xml.parsers.expat import ExpatError

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.html_text import parse_html, tree_to_text

NOT_READ_OF_DOCX = "headers, footers, comments, formulas and pictures"
# What `mammoth` raises for files that are not as Word writes them.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ExpatError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
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
    except DAMAGE as error:
        raise UnreadableDocument(
            "a damaged .docx file", "Copy it again, or save it again in Word.", str(error)
        ) from error
    tree = parse_html(page)
    if tree is None:
        return ""
    for cell in tree.iter("td", "th"):
        _unwrap_paragraphs(cell)
    return tree_to_text(tree)


def _unwrap_paragraphs(cell: Any) -> None:
    """Put line breaks in place of the paragraphs of a cell: blank lines would divide its row."""
    from lxml.html import Element

    for number, paragraph in enumerate(cell.findall("p")):
        if number:
            paragraph.addprevious(Element("br"))
        paragraph.drop_tag()
