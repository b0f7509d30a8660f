"""Write a Parquet file atomically: it is complete, or it does not exist."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from deepsynth_tui.dataset.writing.schema import SCHEMA, to_table

# A row group is written at this many rows or image bytes, which bounds the memory in use.
ROW_GROUP_ROWS = 100
ROW_GROUP_BYTES = 32 << 20
# Images are compressed already, and no two pages are alike.
UNCOMPRESSED = ("images.list.element.bytes", "images.list.element.path")
# Columns with few different values, and words, which recur.
DICTIONARY_COLUMNS = (
    "messages.list.element.role",
    "messages.list.element.content.list.element.type",
    "instruction",
    "words.list.element.list.element.text",
)
# The corners of boxes, which differ little from one to the next.
DELTA_COLUMNS = tuple(
    f"{name}.list.element.list.element.bbox.list.element" for name in ("lines", "words")
)


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return how the columns of `schema` are stored."""
    paths = [path for field in schema for path in _leaves(field.name, field.type)]
    return {
        "compression": {path: "NONE" if path in UNCOMPRESSED else "ZSTD" for path in paths},
        "use_dictionary": [path for path in paths if path in DICTIONARY_COLUMNS],
        "column_encoding": {path: "DELTA_BINARY_PACKED" for path in paths if path in DELTA_COLUMNS},
    }


def _leaves(path: str, arrow_type: pa.DataType) -> Iterator[str]:
    """Yield the paths of the Parquet columns that store a column of `arrow_type`."""
    if isinstance(arrow_type, pa.ListType):
        yield from _leaves(f"{path}.list.element", arrow_type.value_type)
    elif isinstance(arrow_type, pa.StructType):
        for field in arrow_type:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path


class AtomicParquetWriter:
    """A context manager that writes rows that fit `schema` to `path`.

    If the block ends normally, the file exists, and `bytes` and `sha256` are set; without any rows
    there is no file and `sha256` is "". If the block raises, nothing is left behind.
    """

    def __init__(self, path: Path, schema: pa.Schema = SCHEMA) -> None:
        self.path = path
        self._schema = schema
        self.rows = 0
        self.bytes = 0
        self.sha256 = ""
        # Unique: on a cluster, a worker that was given up may still be writing the same shard.
        self._temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}")
        self._writer: pq.ParquetWriter | None = None
        self._buffer: list[dict[str, Any]] = []
        self._buffer_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            if self._writer is not None and self._writer.is_open:
                # If rows could not be written, the footer cannot either; keep the first error.
                with suppress(OSError):
                    self._writer.close()
            self._temporary.unlink(missing_ok=True)

    def write(self, row: dict[str, Any]) -> None:
        """Add `row`, a mapping that fits the schema, to the current row group."""
        self.rows += 1
        self._buffer.append(row)
        self._buffer_bytes += sum(len(image["bytes"]) for image in row["images"])
        if len(self._buffer) >= ROW_GROUP_ROWS or self._buffer_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def _write_row_group(self) -> None:
        if self._writer is None:
            options = parquet_options(self._schema)
            self._writer = pq.ParquetWriter(self._temporary, self._schema, **options)
        table = to_table(self._buffer, self._schema)
        self._writer.write_table(table, row_group_size=len(self._buffer))
        self._buffer, self._buffer_bytes = [], 0

    def _finish(self) -> None:
        if self._buffer:
            self._write_row_group()
        if self._writer is None:
            return
        self._writer.close()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.bytes = file.tell()
        self._temporary.replace(self.path)
