"""Files of sources, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import DatasetError
from deepsynth_tui.dataset.reading.sources import Document, Source, open_source


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, with its folder, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(path: Path, **columns: Any) -> Path:
    """Write a Parquet file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def opened(path: Path | str, **settings: Any) -> Source:
    """Open a source."""
    return open_source(SourceSettings(path=str(path), **settings))


def documents(path: Path | str, **settings: Any) -> list[Document]:
    """Return all documents of a source, whose number it states."""
    source = opened(path, **settings)
    read = list(source.documents())
    assert source.count() == len(read)
    return read


def texts(path: Path | str, **settings: Any) -> dict[str, str]:
    """Return the text of each document by its id, or why it is unreadable."""
    return {d.source_id: str(d.unreadable or d.text) for d in documents(path, **settings)}


def refused(path: Path | str, **settings: Any) -> DatasetError:
    """Return the error of a source that cannot be read; it has advice and a key."""
    with pytest.raises(DatasetError) as caught:
        documents(path, **settings)
    assert caught.value.advice
    assert caught.value.key.startswith("source.")
    return caught.value
