"""Rows of text files in a cache of Arrow files, which gives them by index in little memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import datasets.config
import pyarrow as pa

from deepsynth_tui.conversations.containers.rows import FOLDER, PLACE, ROW, JsonRows
from deepsynth_tui.conversations.schema import SchemaBuilder, schema_from_json

CACHE_VERSION = 1  # increase it when rows or their columns are read differently
BATCH_BYTES = 8 << 20
TABLE, COLUMNS = "rows.arrow", "columns.json"
ARROW_SCHEMA = pa.schema([(ROW, pa.large_string()), (PLACE, pa.string()), (FOLDER, pa.string())])


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of a file in `folder`. `text` is the JSON of `values`, None: not written yet."""

    place: str
    folder: str
    values: dict[str, Any]
    text: str | None = None


def cached_rows(files: Sequence[Path], kind: str, rows: Iterable[FileRow]) -> JsonRows:
    """Return the rows of files of one kind; `rows` is iterated only if they are not cached.

    Raises whatever iterating `rows` does, and leaves nothing in the cache then.
    """
    folder = cache_folder(files, kind)
    if not (folder / COLUMNS).is_file():
        _write(folder, rows)
    columns = json.loads((folder / COLUMNS).read_text(encoding="utf-8"))
    table = datasets.Dataset.from_file(str(folder / TABLE))
    return JsonRows(table, schema_from_json(columns))


def cache_folder(files: Sequence[Path], kind: str) -> Path:
    """Return the cache folder for the present state of these files."""
    identity = [CACHE_VERSION, kind]
    for path in files:
        state = path.stat()
        identity += [str(path.resolve()), state.st_size, state.st_mtime_ns]
    name = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    return Path(datasets.config.HF_DATASETS_CACHE) / "deepsynth" / name


def _write(folder: Path, rows: Iterable[FileRow]) -> None:
    """Write the cache folder as a whole: other processes may write it at the same time."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        builder = SchemaBuilder()
        with (
            pa.OSFile(str(temporary / TABLE), "wb") as sink,
            pa.ipc.new_stream(sink, ARROW_SCHEMA) as writer,
        ):
            for batch in _batches(rows, builder):
                writer.write_batch(batch)
        (temporary / COLUMNS).write_text(json.dumps(builder.to_json()), encoding="utf-8")
        if not (folder / COLUMNS).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _batches(rows: Iterable[FileRow], builder: SchemaBuilder) -> Iterator[pa.RecordBatch]:
    texts: list[str] = []
    places: list[str] = []
    folders: list[str] = []
    size = 0

    def batch() -> pa.RecordBatch:
        values = [pa.array(texts, pa.large_string()), pa.array(places), pa.array(folders)]
        return pa.record_batch(values, schema=ARROW_SCHEMA)

    for row in rows:
        builder.add(row.values)
        text = json.dumps(row.values) if row.text is None else row.text
        texts.append(text)
        places.append(row.place)
        folders.append(row.folder)
        size += len(text)
        if size >= BATCH_BYTES:
            yield batch()
            texts, places, folders, size = [], [], [], 0
    if texts:
        yield batch()
