"""Pages of PDF files become images, whatever the file does to its parser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from deepsynth_tui.conversations import pdf_pages
from deepsynth_tui.conversations.errors import UnusableRow
from deepsynth_tui.conversations.pdf_pages import LONGEST_SIDE, render_only_page
from tests.dataset.reading.small_pdf import pdf, pdf_bomb

MIB = 1 << 20


@pytest.fixture(autouse=True)
def small_limits(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pdf_pages, "MAX_MEMORY", 0.1)
    monkeypatch.setattr(pdf_pages, "MAX_SECONDS", 20)
    pdf_pages.limited_renderer.cache_clear()
    yield
    pdf_pages.limited_renderer(os.getpid()).__exit__()
    pdf_pages.limited_renderer.cache_clear()


def file(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_bomb_is_refused_and_the_next_page_is_drawn(tmp_path: Path) -> None:
    bomb = file(tmp_path, "bomb.pdf", pdf_bomb(64 * MIB))
    assert bomb.stat().st_size < MIB // 4
    page = file(tmp_path, "page.pdf", pdf([["hello"]]))
    with pytest.raises(UnusableRow, match=r"bomb\.pdf takes more than"):
        render_only_page(bomb)
    with Image.open(render_only_page(page)) as image:
        assert max(image.size) == LONGEST_SIDE
        assert image.getextrema() != ((255, 255), (255, 255), (255, 255))
    assert not list(pdf_pages.cache_dir().rglob(".*"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable PDF file"),
        (b"%PDF-1.4 and nothing else", "not a readable PDF file"),
        (pdf([["one"], ["two"]]), "has 2 pages"),
    ],
)
def test_what_is_no_page_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnusableRow, match=reason):
        render_only_page(file(tmp_path, "file.pdf", content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableRow, match="there is no file"):
        render_only_page(tmp_path / "missing.pdf")
