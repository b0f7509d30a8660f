"""Extract the text of HTML files with `inscriptis`, which is imported on first use."""

from __future__ import annotations

import codecs
import re
from typing import Any

from deepsynth_tui.dataset.errors import UnreadableDocument

# As in the HTML standard ("prescan a byte stream to determine its encoding").
PRESCANNED_BYTES = 1024
DECLARED_ENCODING = re.compile(
    rb"""<(?:meta\b[^>]*?charset|\?xml\b[^>]*?encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE
)
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def html_to_text(data: bytes, encoding: str | None = None) -> str:
    """Return the visible text of an HTML file. Raises `UnreadableDocument`.

    `encoding` is that of a file which declares none.
    """
    tree = parse_html(decode_html(data, encoding))
    return "" if tree is None else tree_to_text(tree)


def parse_html(page: str) -> Any:
    """Return the tree of an HTML page, None if it holds nothing but comments or white space."""
    from lxml import html
    from lxml.etree import ParserError

    # Without `huge_tree`, content nested deeper than 256 elements would be dropped.
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        return html.document_fromstring(page.encode(), parser=parser)
    except ParserError:
        return None


def tree_to_text(tree: Any) -> str:
    """Return the visible text of a parsed HTML page. Raises `UnreadableDocument`."""
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig

    try:
        return Inscriptis(tree, ParserConfig(css=STRICT_CSS_PROFILE)).get_text().strip("\n")
    except RecursionError as error:
        raise UnreadableDocument(
            "an HTML page nested too deeply", "Save its text as .txt."
        ) from error


def decode_html(data: bytes, encoding: str | None = None) -> str:
    """Decode an HTML file by its byte order mark, its declared encoding, `encoding`, or as UTF-8.

    Raises `UnreadableDocument`.
    """
    for mark, codec in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decode(data.removeprefix(mark), codec)
    declared = DECLARED_ENCODING.search(COMMENT.sub(b"", data[:PRESCANNED_BYTES]))
    if declared:
        return _decode(data, _python_codec(declared.group(1).decode()))
    return _decode(data, encoding or "utf-8")


def _python_codec(label: str) -> str:
    """Return Python's codec for an encoding label of the WHATWG Encoding Standard."""
    from webencodings import lookup

    encoding = lookup(label)
    if encoding is None:
        raise UnreadableDocument(
            f"an HTML page in an unknown encoding ({label})", "Convert it to UTF-8 first."
        )
    # A declaration that is readable as ASCII cannot be UTF-16.
    if encoding.name.startswith("utf-16"):
        return "utf-8"
    # The standard decodes GBK as its superset GB 18030.
    return "gb18030" if encoding.name == "gbk" else encoding.codec_info.name


def _decode(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
        # Some of Python's codecs decode invalid input to lone surrogates.
        text.encode()
    except UnicodeError as error:
        raise UnreadableDocument(
            f"an HTML page that is not valid {encoding}",
            "Declare its encoding with <meta charset=...>, or set source.encoding.",
        ) from error
    return text
