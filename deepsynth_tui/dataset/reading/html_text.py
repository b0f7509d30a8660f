"""The text of HTML files, laid out by `inscriptis`, which is imported on first use."""

from __future__ import annotations

import codecs
import re

from deepsynth_tui.dataset.errors import UnreadableDocument

# Where the HTML standard has a browser look for the encoding ("prescan a byte stream").
PRESCANNED_BYTES = 1024
DECLARED = re.compile(
    rb"""<(?:meta\b[^>]*?charset|\?xml\b[^>]*?encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE
)
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_of_html(data: bytes) -> str:
    """Return the visible text of a page. Raises `UnreadableDocument`."""
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig
    from lxml import html
    from lxml.etree import ParserError

    # Without `huge_tree`, what lies deeper than 256 elements would be missing.
    parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
    try:
        tree = html.document_fromstring(decode_html(data).encode(), parser=parser)
    except ParserError:
        # A page of comments, or of nothing.
        return ""
    try:
        return Inscriptis(tree, ParserConfig(css=STRICT_CSS_PROFILE)).get_text().strip("\n")
    except RecursionError as error:
        raise UnreadableDocument(
            "an HTML page nested too deeply", "Save its text as .txt."
        ) from error


def decode_html(data: bytes) -> str:
    """Return the characters of a page: in the encoding of its byte order mark, else the one that
    it declares, else UTF-8. Raises `UnreadableDocument`."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return _decoded(data.removeprefix(mark), encoding)
    declared = DECLARED.search(COMMENT.sub(b"", data[:PRESCANNED_BYTES]))
    return _decoded(data, _codec(declared.group(1).decode()) if declared else "utf-8")


def _codec(label: str) -> str:
    """Return Python's name of the encoding that the Encoding Standard has under `label`."""
    from webencodings import lookup

    found = lookup(label)
    if found is None:
        raise UnreadableDocument(
            f"an HTML page in an unknown encoding ({label})", "Convert it to UTF-8 first."
        )
    # A declaration that can be read as bytes cannot be in UTF-16.
    if found.name.startswith("utf-16"):
        return "utf-8"
    # The standard decodes GBK as its superset.
    return "gb18030" if found.name == "gbk" else found.codec_info.name


def _decoded(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
        # Some of Python's codecs make lone surrogates of what is no text.
        text.encode()
    except UnicodeError as error:
        raise UnreadableDocument(
            f"an HTML page that is not {encoding}, as which it has to be read",
            "Declare its encoding (<meta charset=...>), or convert it to UTF-8 first.",
        ) from error
    return text
