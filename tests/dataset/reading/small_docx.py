"""Word and EPUB files of a few lines, written by hand (ECMA-376, EPUB 3.3)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def paragraph(text: str, properties: str = "") -> str:
    """Return a paragraph of a document."""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def numbered(text: str) -> str:
    """Return an item of a numbered list."""
    return paragraph(
        text, '<w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>'
    )


def table(*rows: Sequence[str]) -> str:
    """Return a table."""
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def docx(body: str, note: str = "") -> bytes:
    """Return a .docx file with this body, and a footnote with the id 2."""
    numbering = (
        f'<w:numbering xmlns:w="{WORD}"><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0">'
        '<w:numFmt w:val="decimal"/></w:lvl></w:abstractNum><w:num w:numId="1">'
        '<w:abstractNumId w:val="1"/></w:num></w:numbering>'
    )
    parts = {"numbering": numbering}
    if note:
        parts["footnotes"] = (
            f'<w:footnotes xmlns:w="{WORD}"><w:footnote w:id="2">{paragraph(note)}</w:footnote>'
            "</w:footnotes>"
        )
    relations = "".join(
        f'<Relationship Id="r{name}" Type="{OFFICE}/{name}" Target="{name}.xml"/>' for name in parts
    )
    files = {f"word/{name}.xml": content for name, content in parts.items()}
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
            f"{relations}</Relationships>",
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body>'
            "</w:document>",
            **files,
        }
    )


XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
)


def epub(pages: Mapping[str, str], spine: Sequence[str], extra: Mapping[str, str] = {}) -> bytes:
    """Return an .epub file with these pages, read in the order of `spine`."""
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>'
        for name in spine
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            f"{items}</manifest><spine>{order}</spine></package>",
            **{f"OEBPS/{name}.xhtml": XHTML.format(page) for name, page in pages.items()},
            **extra,
        }
    )


def archive(files: Mapping[str, str]) -> bytes:
    """Return a ZIP file."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as zip_file:
        for name, content in files.items():
            zip_file.writestr(name, content)
    return data.getvalue()
