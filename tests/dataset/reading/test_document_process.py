"""Documents that take too much time or memory, or crash their parser, end only themselves."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.document_process import DocumentProcess
from tests.dataset.reading.small_pdf import pdf, pdf_bomb

MIB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.pdf"
    path.write_bytes(pdf([["hello"]]))
    return path


def refusal(process: DocumentProcess, path: Path) -> UnreadableDocument:
    with pytest.raises(UnreadableDocument) as refused:
        process.extract_text(path, None)
    return refused.value


def test_memory(tmp_path: Path, small: Path) -> None:
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(pdf_bomb(48 * MIB))
    assert bomb.stat().st_size < MIB // 4
    with DocumentProcess(max_seconds=60, max_memory=0.1) as process:
        assert process.extract_text(small, None) == "hello"
        error = refusal(process, bomb)
        assert error.reason == "a document that takes more than 0.1 GiB of memory to read"
        assert "source.max_document_memory" in error.advice
        assert process.extract_text(small, None) == "hello"


def test_time(tmp_path: Path, small: Path) -> None:
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(pdf_bomb(64 * MIB))
    with DocumentProcess(max_seconds=0.01, max_memory=4) as process:
        error = refusal(process, bomb)
        assert error.reason == "a document that takes more than 0.01 seconds to read"
        assert "source.max_document_seconds" in error.advice


@pytest.mark.parametrize("suffix", [".txt.gz", ".docx", ".epub", ".html.gz"])
def test_a_bomb_of_each_type(tmp_path: Path, small: Path, suffix: str) -> None:
    bomb = tmp_path / f"bomb{suffix}"
    content = b"<a>" + b" " * (128 * MIB) + b"</a>"
    if suffix.endswith(".gz"):
        bomb.write_bytes(gzip.compress(content))
    else:
        member = "word/document.xml" if suffix == ".docx" else "META-INF/container.xml"
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
    with DocumentProcess(max_seconds=1, max_memory=0.1) as process:
        assert refusal(process, bomb).reason.startswith("a document that takes more than")
        assert process.extract_text(small, None) == "hello"


def test_what_is_wrong_with_a_document_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pdf"
    path.write_bytes(b"%PDF-1.4 and nothing else")
    with DocumentProcess(max_seconds=60, max_memory=1) as process:
        error = refusal(process, path)
        assert error.reason == "a damaged PDF"
        assert "qpdf" in error.advice
        missing = refusal(process, tmp_path / "missing.pdf")
        assert "cannot be opened (no such file or directory)" in missing.reason


def test_any_text_and_file_name(tmp_path: Path) -> None:
    text = "line\r\nfeed \x00 \u2028 \U0001f600"
    path = tmp_path / "a\n\udcff.md"
    path.write_bytes(text.encode())
    with DocumentProcess(max_seconds=60, max_memory=1) as process:
        assert process.extract_text(path, None) == text
