"""Parquet files that are complete or absent."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deepsynth_tui.dataset.writing import parquet_writer
from deepsynth_tui.dataset.writing.parquet_writer import ROW_GROUP_ROWS, AtomicParquetWriter
from deepsynth_tui.dataset.writing.schema import messages


def row(number: int) -> dict[str, Any]:
    texts = ("text", "instruction", "prompted_text", "target", "source_hash")
    return dict.fromkeys(texts, "abc") | {
        "images": [{"bytes": bytes(1000), "path": "a.png"}],
        "messages": messages(pages=1, turns=[("Read.", "abc")]),
        "source_id": str(number),
        "pages": 1,
        "first_page": 1,
    }


def row_groups(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def test_a_finished_file_has_its_size_and_hash(tmp_path: Path):
    with AtomicParquetWriter(tmp_path / "a.parquet") as file:
        for number in range(ROW_GROUP_ROWS + 1):
            file.write(row(number))
    (path,) = tmp_path.iterdir()
    assert (file.rows, file.bytes) == (ROW_GROUP_ROWS + 1, path.stat().st_size)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row_groups(path) == [ROW_GROUP_ROWS, 1]


def test_large_pages_make_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet_writer, "ROW_GROUP_BYTES", 3000)
    with AtomicParquetWriter(tmp_path / "a.parquet") as file:
        for number in range(7):
            file.write(row(number))
    assert row_groups(tmp_path / "a.parquet") == [3, 3, 1]


def test_without_rows_there_is_no_file(tmp_path: Path):
    with AtomicParquetWriter(tmp_path / "a.parquet") as file:
        pass
    assert (file.rows, file.sha256) == (0, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [1, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 1])
def test_an_exception_leaves_no_file(tmp_path: Path, rows: int):
    with pytest.raises(ZeroDivisionError), AtomicParquetWriter(tmp_path / "a.parquet") as file:  # noqa: PT012
        for number in range(rows):
            file.write(row(number))
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
