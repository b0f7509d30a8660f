"""Rows to Parquet files, and a folder that is either whole or named `.partial`."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow.parquet as pq

from deepsynth_tui.dataset.errors import OutputError
from deepsynth_tui.dataset.writing.rows import SCHEMA, table

log = logging.getLogger(__name__)

SPLIT = "train"
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


def partial_folder(folder: Path) -> Path:
    """Return where the dataset `folder` lies until it is whole."""
    return folder.with_name(f"{folder.name}.partial")


class ShardWriter:
    """Writes rows to `<folder>.partial/data`. Leaving it by an exception leaves that behind."""

    def __init__(self, folder: Path, shard_size: int) -> None:
        """Begin. What an earlier attempt left half done is removed.

        Raises `OutputError` where `folder` is there already, and `OSError`.
        """
        if folder.exists():
            raise OutputError(
                f"{folder} exists already", "Choose another output.dir, or remove it.", "output.dir"
            )
        self.folder = folder
        self.partial = partial_folder(folder)
        if self.partial.exists():
            shutil.rmtree(self.partial)
        self._data = self.partial / "data"
        self._data.mkdir(parents=True)
        self.shard_size = shard_size
        self.shards: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._rows_in_shard = 0
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
        if self._writer is not None:
            # Stopped or failed in mid-shard: the file keeps its name, .half, whether or not what
            # is left of the disk lets it be closed.
            with suppress(OSError):
                self._writer.close()

    def add(self, row: dict[str, Any]) -> bool:
        """Write `row`, sooner or later; return whether a shard was completed by it."""
        self._held.append(row)
        self._held_bytes += sum(len(image["bytes"]) for image in row["images"])
        self._rows_in_shard += 1
        if self._rows_in_shard == self.shard_size:
            self._complete_shard()
            return True
        if len(self._held) >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._write_group()
        return False

    def finish_shards(self) -> None:
        """Complete the last shard and give all of them their final names."""
        if self._rows_in_shard:
            self._complete_shard()
        for number, shard in enumerate(self.shards):
            final = f"{SPLIT}-{number:05d}-of-{len(self.shards):05d}.parquet"
            self.shards[number] = shard.rename(self._data / final)

    def publish(self) -> None:
        """Give the folder its final name: from now on it is a whole dataset."""
        self.partial.replace(self.folder)

    @property
    def _open_path(self) -> Path:
        return self._data / f"{SPLIT}-{len(self.shards):05d}.parquet.half"

    def _write_group(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._open_path, SCHEMA, **PARQUET_OPTIONS)
        self._writer.write_table(table(self._held), row_group_size=len(self._held))
        self._held, self._held_bytes = [], 0

    def _complete_shard(self) -> None:
        if self._held:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        half = self._open_path
        self.shards.append(half.rename(half.with_suffix("")))
        log.info("shard %d: %d documents", len(self.shards), self._rows_in_shard)
        self._rows_in_shard = 0
