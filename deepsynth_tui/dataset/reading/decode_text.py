"""Bytes to text, with the place of the first byte that is none."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from deepsynth_tui.dataset.errors import SourceError

CHUNK_BYTES = 1 << 20


def decode(data: bytes, path: Path) -> str:
    """Return the text of a whole file. Raises `SourceError` naming file and byte."""
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        skipped = len(data) - len(error.object)
        _refuse(path, skipped + error.start, error.object[error.start], data[:2])


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends. Raises `SourceError` naming the byte."""
    offset = 0
    with path.open("rb") as file:
        for raw in file:
            start = codecs.BOM_UTF8 if offset == 0 else b""
            try:
                yield raw.removeprefix(start).decode("utf-8")
            except UnicodeDecodeError as error:
                skipped = len(raw) - len(error.object)
                byte = error.object[error.start]
                _refuse(path, offset + skipped + error.start, byte, raw[:2] if not offset else b"")
            offset += len(raw)


def chunks(path: Path) -> Iterator[str]:
    """Yield a UTF-8 file piece by piece. Raises `SourceError` naming the byte."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    offset = 0
    with path.open("rb") as file:
        while True:
            raw = file.read(CHUNK_BYTES)
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                held = len(error.object) - len(raw)
                byte = error.object[error.start]
                _refuse(path, offset - held + error.start, byte, raw[:2] if not offset else b"")
            if text:
                yield text
            if not raw:
                return
            offset += len(raw)


def _refuse(path: Path, offset: int, byte: int, first: bytes) -> NoReturn:
    utf16 = first in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "UTF-16" if utf16 else "the file's encoding, for example ISO-8859-1"
    raise SourceError(
        f"{path}: byte {offset} (0x{byte:02x}) is not UTF-8 text",
        f"Convert it first: iconv -f {'UTF-16' if utf16 else 'ISO-8859-1'} -t UTF-8 "
        f"{path.name} > utf8-{path.name} (-f is {encoding}).",
        "source.path",
    )
