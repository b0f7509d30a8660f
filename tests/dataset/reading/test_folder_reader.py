"""Text, HTML and PDF files, alone and in folders."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.reading.html_text import decode_html, html_to_text
from deepsynth_tui.dataset.reading.pdf_text import pdf_to_text
from deepsynth_tui.dataset.reading.sources import Document, open_source
from tests.dataset.reading.small_pdf import pdf
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> list[Document]:
    return list(open_source(SourceSettings(path=str(path))).documents())


def test_html_to_text_keeps_only_visible_text():
    page = b"""<!doctype html><html><head><title>no</title><style>p { color: red }</style>
    <script>var no = 1;</script></head><body><h1>Harbour  lane</h1><p>One &amp; two<br>three
    four.</p><!-- no --><ul><li>rye</li><li>plum</li></ul>
    <table><tr><td>rye</td><td>7.60</td></tr></table><pre>a
  b</pre></body></html>"""
    text = html_to_text(page)
    assert text.splitlines()[:4] == ["Harbour lane", "", "One & two", "three four."]
    for part in ("  * rye\n  * plum", "rye  7.60", "a\n  b"):
        assert part in text
    assert "no" not in text


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="koi8-r">', "koi8-r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
        ("<?xml version='1.0' encoding='ISO-8859-5'?>", "iso8859-5"),
        ("<meta charset=utf-8>", "utf-8"),
        ("<!-- <meta charset=koi8-r> --><meta charset=cp1251>", "cp1251"),
        ("", "utf-8"),
        ('<script src="a.js" charset="koi8-r"></script>', "utf-8"),
        ("<meta charset=utf-16>", "utf-8"),
    ],
)
def test_the_declared_encoding_is_used(head: str, encoding: str):
    page = f"{head}<html><body><p>Жук ползёт</p></body></html>"
    assert html_to_text(page.encode(encoding)) == "Жук ползёт"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_byte_order_mark_overrides_the_declared_encoding(mark: bytes, encoding: str):
    page = mark + "<meta charset=koi8-r><p>Жук</p>".encode(encoding)
    assert html_to_text(page) == "Жук"


def test_iso_8859_1_is_decoded_as_windows_1252():
    assert html_to_text(b"<meta charset=iso-8859-1><p>5 \x80</p>") == "5 €"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_every_character_of_a_page_without_a_declaration_is_kept(text: str):
    assert decode_html(b"<p>" + text.encode()) == "<p>" + text


def test_text_after_a_nul_or_deeply_nested_is_kept():
    assert html_to_text(b"<p>one\0two</p><p>three</p>") == "one\ufffdtwo\n\nthree"
    deep = b"<b>" * 600 + b"deep" + b"</b>" * 600
    assert html_to_text(deep) == "deep"
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        html_to_text(b"<div>" * 3000 + b"deep")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (b"<p>caf\xe9</p>", "not valid utf-8"),
        (b"<meta charset=klingon><p>x", r"unknown encoding \(klingon\)"),
        (rb"<meta charset=raw-unicode-escape><p>\ud800", "unknown encoding"),
        (b"<meta charset=undefined><p>x", "unknown encoding"),
        (b"<meta charset=x-sjis><p>\x81", "not valid cp932"),
        (b"<meta charset=hex><p>78", r"unknown encoding \(hex\)"),
    ],
)
def test_undecodable_pages_raise(page: bytes, message: str):
    with pytest.raises(UnreadableDocument, match=message) as caught:
        html_to_text(page)
    assert caught.value.advice


def test_the_text_of_all_pages_of_a_pdf(tmp_path: Path):
    path = write(tmp_path / "a.pdf", pdf([["Harbour lane", "caf\u00e9 7 \u20ac"], [], ["Last."]]))
    with path.open("rb") as file:
        assert pdf_to_text(file) == "Harbour lane\ncafé 7 €\n\nLast."


def test_a_word_hyphenated_at_the_end_of_a_line_is_one_word(tmp_path: Path):
    path = write(
        tmp_path / "a.pdf", pdf([["a harbour with a light-", "house in it", "well-known"]])
    )
    with path.open("rb") as file:
        assert pdf_to_text(file) == "a harbour with a lighthouse in it\nwell-known"


BAD = {
    "locked.pdf": (pdf([["secret"]], locked=True), "an encrypted PDF", "qpdf --decrypt"),
    "broken.pdf": (pdf([["a"]])[:120], "a damaged PDF", "Copy it again"),
    "fake.PDF": (b"<html>", "a damaged PDF", "Copy it again"),
    "scan.pdf": (pdf([[], []]), "a PDF without text, such as a scan", "ocrmypdf"),
    "latin.htm": (b"caf\xe9", "not valid utf-8", "charset"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_single_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str):
    content, reason, advice = BAD[name]
    path = write(tmp_path / name, content)
    with pytest.raises(SourceError, match=reason) as caught:
        read(path)
    assert str(path) in caught.value.message
    assert advice in caught.value.advice


def test_unreadable_files_in_a_folder_are_skipped_and_counted(tmp_path: Path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, (content, _, _) in BAD.items():
        write(folder / name, content)
    (folder / "dangling.txt").symlink_to(folder / "nowhere.txt")
    write(folder / "good.txt", "good text")
    write(folder / "sub" / "good.html", "<p>good page</p>")
    write(folder / "sub" / "empty.html", "<!-- nothing -->")
    write(folder / "sub" / "good.pdf", pdf([["good sheet"]]))
    listener = Recorder()
    generate(config(folder), tmp_path / "out", listener)
    assert sorted(listener.warnings) == [
        "skipped 1 of 10 documents, a PDF without text, such as a scan: scan.pdf",
        "skipped 1 of 10 documents, a file that cannot be opened (no such file or directory): "
        "dangling.txt",
        "skipped 1 of 10 documents, an HTML page that is not valid utf-8: latin.htm",
        "skipped 1 of 10 documents, an encrypted PDF: locked.pdf",
        "skipped 1 of 10 documents, empty text: sub/empty.html",
        "skipped 2 of 10 documents, a damaged PDF: broken.pdf, fake.PDF",
    ]
    texts: dict[str, Any] = {document.source_id: document.text for document in read(folder)}
    assert [texts[name] for name in ("good.txt", "sub/good.html", "sub/good.pdf")] == [
        "good text",
        "good page",
        "good sheet",
    ]
