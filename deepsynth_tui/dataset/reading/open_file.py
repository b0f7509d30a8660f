"""Open a file of a source for reading, decompressing it if its name ends in .gz, .zst, ..."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument

READ_BYTES = 1 << 20
DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
"""What the decompressors raise for damaged files; the errors of Arrow are among them."""
SPECIAL_FILES: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def _open_zstd(path: Path) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


DECOMPRESSORS: Mapping[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}
"""File name suffix -> function that opens such a file for reading its content."""


def content_suffix(path: Path) -> str:
    """Return the suffix of the content in lower case: ".csv" for both a.csv and A.CSV.gz."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in DECOMPRESSORS else suffix


def special_kind(mode: int) -> str | None:
    """Return what a file that is neither a regular file nor a folder is, by its `st_mode`."""
    return next((kind for is_kind, kind in SPECIAL_FILES if is_kind(mode)), None)


def check_regular(path: Path) -> None:
    """Raise `SourceError` for a FIFO, a socket or a device, and OSError if there is no file."""
    if kind := special_kind(path.stat().st_mode):
        raise SourceError(
            f"{path} is a {kind}, and documents are read more than once",
            "Save its content to a file first.",
            "source.path",
        )


def open_binary(path: Path) -> BinaryIO:
    """Open the content of a file. Reading may raise `UnreadableDocument` if it is compressed."""
    suffix = path.suffix.lower()
    if suffix not in DECOMPRESSORS:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Decompressed(path, suffix), READ_BYTES))


class _Decompressed(io.RawIOBase):
    """The content of a compressed file."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._suffix = suffix
        self._file = DECOMPRESSORS[suffix](path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except DAMAGE as error:
            raise UnreadableDocument(
                f"a damaged {self._suffix} file", "Copy it again.", str(error)
            ) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
