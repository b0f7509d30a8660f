"""Write a Parquet file atomically: it is complete, or it does not exist."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq

from deepsynth_tui.dataset.writing.schema import SCHEMA, to_table

# A row group is written at this many rows or image bytes, which bounds the memory in use.
ROW_GROUP_ROWS = 100
ROW_GROUP_BYTES = 32 << 20
# PNG is compressed already, and no two pages are alike.
COMPRESSION = {
    "images.list.element.bytes": "NONE",
    "images.list.element.path": "NONE",
    **dict.fromkeys(
        (
            "messages.list.element.role",
            "messages.list.element.content.list.element.type",
            "messages.list.element.content.list.element.text",
            *(field.name for field in SCHEMA if field.name not in ("images", "messages")),
        ),
        "ZSTD",
    ),
}
DICTIONARY_COLUMNS = [
    "messages.list.element.role",
    "messages.list.element.content.list.element.type",
    "instruction",
]
PARQUET_OPTIONS: dict[str, Any] = {
    "compression": COMPRESSION,
    "use_dictionary": DICTIONARY_COLUMNS,
}


class AtomicParquetWriter:
    """A context manager that writes rows to `path`.

    If the block ends normally, the file exists, and `bytes` and `sha256` are set; without any rows
    there is no file and `sha256` is "". If the block raises, nothing is left behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
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
        """Add `row`, a mapping that fits `SCHEMA`, to the current row group."""
        self.rows += 1
        self._buffer.append(row)
        self._buffer_bytes += sum(len(image["bytes"]) for image in row["images"])
        if len(self._buffer) >= ROW_GROUP_ROWS or self._buffer_bytes >= ROW_GROUP_BYTES:
            self._write_row_group()

    def _write_row_group(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, SCHEMA, **PARQUET_OPTIONS)
        self._writer.write_table(to_table(self._buffer), row_group_size=len(self._buffer))
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
