"""Preview pages and their figures."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepsynth_tui.config.model import ModelSettings
from deepsynth_tui.dataset.pipeline import generate
from deepsynth_tui.dataset.preview import PreviewPage, preview, thumbnail
from deepsynth_tui.dataset.reading.compose import Skipped
from deepsynth_tui.dataset.reading.mixture import describe, open_documents
from deepsynth_tui.models.layout import ImageDimensions
from deepsynth_tui.models.page_for_model import page_for_model
from deepsynth_tui.workflows.preview import write_preview
from tests.dataset.recorder import Recorder
from tests.dataset.writing.small_datasets import config, write


def test_a_preview_shows_the_pages_of_the_run(tmp_path: Path):
    long = "Words for more than one page. " * 120
    source = write(tmp_path / "a.jsonl", {"one": "A short one.", "none": " ", "long": long})
    settings = config(source, page={"preset": "tiny"})
    previews = list(preview(settings, open_documents(settings), 3))
    skipped = [entry for entry in previews if isinstance(entry, Skipped)]
    pages = [entry for entry in previews if isinstance(entry, PreviewPage)]
    assert [entry.source_id for entry in skipped] == ["none"]
    generate(settings, tmp_path / "out", Recorder())
    (shard,) = (tmp_path / "out" / "data").iterdir()
    drawn = [image["bytes"] for row in pq.read_table(shard)["images"] for image in row.as_py()]
    assert [page.image for page in pages] == drawn
    assert [(p.figures.document, p.figures.page, p.figures.pages) for p in pages][:2] == [
        ("one", 1, 1),
        ("long", 1, len(pages) - 1),
    ]
    assert sum(p.figures.characters for p in pages[1:]) == len(long)
    assert len(list(preview(settings, open_documents(settings), 1))) == 1
    assert pages[0].figures.x_height == pytest.approx(0.547 * pages[0].figures.font_size, abs=0.06)


def test_an_earlier_preview_is_replaced(tmp_path: Path):
    settings = config(write(tmp_path / "a.jsonl", {"one": "One.", "two": "Two."}))
    source, folder = open_documents(settings), tmp_path / "preview"
    assert len(list(write_preview(settings, source, 2, folder, lambda page: None))) == 2
    (folder / "notes.txt").write_text("mine")
    assert len(list(write_preview(settings, source, 1, folder, lambda page: None))) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "page-0001.png"]


QWEN = ImageDimensions("pixels", patch=14, merge=2, min_pixels=3136, max_pixels=2**24)
DEEPSEEK = ImageDimensions(
    "deepseek_ocr2", patch=16, merge=4, tile=768, tile_tokens=144, longest_edge=1024
)
FIXED = ImageDimensions("fixed", patch=16, tile=224, tile_tokens=49)


@pytest.mark.parametrize(
    ("image", "tokens", "scale"),
    [
        (QWEN, 37 * 37, 37 * 28 / 1024),
        # A page of 1024 pixels: the whole page (256 tokens) and 2 x 2 tiles of 768 pixels.
        (DEEPSEEK, 256 + 4 * 144 + 1, 1.5),
        (FIXED, 49, 224 / 1024),
    ],
    ids=["pixels", "deepseek", "fixed"],
)
def test_the_size_of_a_page_for_a_model(
    tmp_path: Path, image: ImageDimensions, tokens: int, scale: float
):
    source = write(tmp_path / "a.jsonl", {"one": "A page of text."})
    settings = config(source, page={"preset": "base", "font_size": 24})
    (page,) = (
        p for p in preview(settings, open_documents(settings), 1) if isinstance(p, PreviewPage)
    )
    model_page = page_for_model(page.figures, image, ModelSettings())
    assert model_page is not None
    assert model_page.x_height == pytest.approx(13.125 * scale, abs=0.1)
    assert model_page.tokens == tokens
    assert model_page.characters_per_token == pytest.approx(15 / tokens, abs=0.005)


def test_a_thumbnail_shows_the_ink_of_the_page():
    page = Image.new("L", (400, 200), 255)
    page.paste(0, (0, 0, 100, 50))
    file = io.BytesIO()
    page.save(file, "PNG")
    lines = thumbnail(file.getvalue(), 20)
    assert {len(line) for line in lines} == {20}
    assert len(lines) == 5
    assert lines[0].startswith("⣿⣿⣿⣿⣿⠀")
    assert set(lines[2]) == {"⠀"}


def test_what_the_source_holds_is_described(tmp_path: Path):
    (tmp_path / "a.csv").write_text("1;Hello there, all.\n2;Good bye.\n")
    (tmp_path / "b.png").write_bytes(b"")
    settings = config(tmp_path)
    settings = settings.model_copy(
        update={"source": settings.source.model_copy(update={"text_column": "column_2"})}
    )
    contents, not_read, guessed = describe(open_documents(settings))
    assert "delimiter ';'" in contents
    assert not_read == "not read: 1 .png"
    assert guessed.startswith("source.header: not set")
