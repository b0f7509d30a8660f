"""The text of Word and EPUB files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.docx_text import docx_to_text
from deepsynth_tui.dataset.reading.epub_text import epub_to_text
from tests.dataset.reading.small_docx import archive, docx, epub, numbered, paragraph, table
from tests.dataset.reading.source_files import opened, refused, texts, write


def test_a_word_file_keeps_lists_tables_notes_insertions_and_controls_in_order():
    body = (
        paragraph("First é.")
        + numbered("one")
        + numbered("two")
        + table(["rye", "7.60"], ["plum", "3"])
        + f"<w:sdt><w:sdtContent>{paragraph('In a control.')}</w:sdtContent></w:sdt>"
        + "<w:p><w:ins><w:r><w:t>Inserted.</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>Deleted.</w:delText></w:r></w:del></w:p>"
        + '<w:p><w:r><w:t>Noted</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
    )
    text = docx_to_text(io.BytesIO(docx(body, note="The note.")))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[:7] == [
        *("First é.", "1. one", "2. two", "rye   7.60", "plum  3", "In a control.", "Inserted.")
    ]
    assert lines[7].startswith("Noted")
    assert "The note." in lines[8]
    assert "Deleted" not in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a damaged .docx file"),
        (docx(paragraph("a"))[:-30], "a damaged .docx file"),
        (archive({"a.txt": "a"}), "a damaged .docx file"),
        (docx("<w:p>"), "a damaged .docx file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100, "an encrypted or old Word file"),
    ],
)
def test_damaged_and_encrypted_word_files_raise(data: bytes, reason: str):
    with pytest.raises(UnreadableDocument, match=reason) as caught:
        docx_to_text(io.BytesIO(data))
    assert caught.value.advice


def test_the_pages_of_an_epub_are_read_in_the_order_of_the_spine():
    pages = {
        "b": "<h1>Two</h1><p>second&nbsp;page &amp; <br/>line</p>",
        "a": "<a id='x'/><h1>One</h1><p>first é</p>",
        "not in the spine": "<p>no</p>",
    }
    assert epub_to_text(io.BytesIO(epub(pages, ["a", "b"]))) == (
        "One\n\nfirst é\n\nTwo\n\nsecond page &\nline"
    )


ENCRYPTED = (
    '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
    '<e:EncryptionMethod Algorithm="{}"/></e:EncryptedData></encryption>'
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no zip file", "a damaged .epub file"),
        (archive({"a.txt": "a"}), "a damaged .epub file"),
        (epub({"a": "x"}, ["a", "gone"]), "a damaged .epub file: .*gone.xhtml"),
        (
            epub({"a": "x"}, ["a"], {"META-INF/encryption.xml": ENCRYPTED.format("aes")}),
            "an encrypted .epub file",
        ),
    ],
)
def test_damaged_and_encrypted_books_raise(data: bytes, reason: str):
    with pytest.raises(UnreadableDocument, match=reason) as caught:
        epub_to_text(io.BytesIO(data))
    assert caught.value.advice


def test_obfuscated_fonts_are_no_encryption():
    method = ENCRYPTED.format("http://www.idpf.org/2008/embedding")
    book = epub({"a": "<p>text</p>"}, ["a"], {"META-INF/encryption.xml": method})
    assert epub_to_text(io.BytesIO(book)) == "text"


def test_word_and_epub_files_among_others(tmp_path: Path):
    write(tmp_path / "a.docx", docx(paragraph("word")))
    write(tmp_path / "b.epub", epub({"a": "<p>book</p>"}, ["a"]))
    write(tmp_path / "c.docx", b"broken")
    read = texts(tmp_path)
    assert (read["a.docx"], read["b.epub"]) == ("word", "book")
    assert read["c.docx"].startswith("a damaged .docx file")
    assert opened(tmp_path).contents[1].startswith(".docx: without headers, footers")
    assert "a damaged .docx file" in str(refused(tmp_path / "c.docx"))
