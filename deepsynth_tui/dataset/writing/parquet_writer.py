"""Rows to one Parquet file that is on the disk in one piece, or not at all."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq

from deepsynth_tui.dataset.writing.schema import SCHEMA, table

# A row group is written when it has this many rows or bytes: what is held in memory at most.
GROUP_ROWS = 100
GROUP_BYTES = 32 << 20
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
REPEATING = [
    "messages.list.element.role",
    "messages.list.element.content.list.element.type",
    "instruction",
]
PARQUET_OPTIONS: dict[str, Any] = {"compression": COMPRESSION, "use_dictionary": REPEATING}


class AtomicParquetWriter:
    """Rows on their way into `path`.

    Left without an exception, the file is there, and `bytes` and `sha256` are known; without any
    row there is no file, and `sha256` is "". Left by an exception, nothing of it is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.bytes = 0
        self.sha256 = ""
        # Of its own: on a cluster, a process given up for lost may still be writing the same.
        self._unfinished = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}")
        self._writer: pq.ParquetWriter | None = None
        self._held: list[dict[str, Any]] = []
        self._held_bytes = 0

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
                # What could not write a row cannot write its end either; the first error counts.
                with suppress(OSError):
                    self._writer.close()
            self._unfinished.unlink(missing_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        """Write `row`, a mapping that fits `SCHEMA`, sooner or later."""
        self.rows += 1
        self._held.append(row)
        self._held_bytes += sum(len(image["bytes"]) for image in row["images"])
        if len(self._held) >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._write()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unfinished, SCHEMA, **PARQUET_OPTIONS)
        self._writer.write_table(table(self._held), row_group_size=len(self._held))
        self._held, self._held_bytes = [], 0

    def _finish(self) -> None:
        if self._held:
            self._write()
        if self._writer is None:
            return
        self._writer.close()
        with self._unfinished.open("rb") as file:
            os.fsync(file.fileno())
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.bytes = file.tell()
        self._unfinished.replace(self.path)
