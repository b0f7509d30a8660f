"""Extract the text of EPUB files: the HTML pages of the archive in the order of the spine.

EPUB 3.3, section 5: `META-INF/container.xml` names the package document, which lists the files
(`manifest`) and their reading order (`spine`).
"""

from __future__ import annotations

import html
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.html_text import decode_html, html_to_text, tree_to_text

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
# Fonts are often obfuscated by these; the text is not encrypted then.
FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
PAGE_TYPES = ("application/xhtml+xml", "text/html")
# Those of HTML are undefined in XML, unlike these five.
NAMED_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z]\w*;")
# Between two pages of the book.
PAGE_BREAK = "\n\n"


def epub_to_text(file: BinaryIO) -> str:
    """Return the text of all pages in reading order. Raises `UnreadableDocument`."""
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_encrypted(archive)
            texts = [_page_text(archive.read(name)) for name in _spine(archive)]
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, SyntaxError, zlib.error) as error:
        # `KeyError` is a file that the archive lacks; `SyntaxError`, of lxml, invalid XML;
        # `RuntimeError` an encrypted member.
        raise UnreadableDocument("a damaged .epub file", "Copy it again.", str(error)) from error
    return PAGE_BREAK.join(text for text in texts if text)


def _page_text(data: bytes) -> str:
    """Return the text of a page, which is XML: an HTML parser would read on after `<title/>`."""
    from lxml.html import xhtml_to_html

    page = NAMED_ENTITY.sub(lambda match: html.unescape(match.group()), decode_html(data))
    try:
        tree = _parse_xml(page.encode(), "utf-8")
    except SyntaxError:
        return html_to_text(data)
    xhtml_to_html(tree)
    return tree_to_text(tree)


def _spine(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield the names of the pages in the archive, in reading order."""
    (package,) = _find(_parse(archive, CONTAINER), "rootfile")[:1] or [None]
    if package is None:
        raise UnreadableDocument("a damaged .epub file", "Copy it again.", "no package document")
    name = package.get("full-path", "")
    document = _parse(archive, name)
    items = {item.get("id"): item for item in _find(document, "item")}
    for reference in _find(document, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            raise UnreadableDocument(
                "a damaged .epub file", "Copy it again.", f"no item {reference.get('idref')!r}"
            )
        if item.get("media-type") in PAGE_TYPES:
            path = unquote(item.get("href", "").partition("#")[0])
            yield posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    if ENCRYPTION in archive.namelist():
        methods = _find(_parse(archive, ENCRYPTION), "EncryptionMethod")
        if any(method.get("Algorithm") not in FONT_ALGORITHMS for method in methods):
            raise UnreadableDocument("an encrypted .epub file", "Export it without protection.")


def _parse(archive: zipfile.ZipFile, name: str) -> Any:
    return _parse_xml(archive.read(name))


def _parse_xml(data: bytes, encoding: str | None = None) -> Any:
    from lxml.etree import XMLParser, fromstring

    parser = XMLParser(resolve_entities=False, no_network=True, huge_tree=True, encoding=encoding)
    return fromstring(data, parser)


def _find(tree: Any, name: str) -> list[Any]:
    """Return the elements with this name in any namespace."""
    return tree.findall(f".//{{*}}{name}")
