"""Decode UTF-8 files, reporting the offset of the first invalid byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from deepsynth_tui.dataset.errors import SourceError

CHUNK_BYTES = 1 << 20


def decode_text(data: bytes, path: Path) -> str:
    """Decode `data`, the whole file `path`. Raises `SourceError` with the offset."""
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        bom_bytes = len(data) - len(error.object)
        _raise_not_utf8(path, bom_bytes + error.start, error.object[error.start], data[:2])


def decode_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file with their line ends. Raises `SourceError` with the offset."""
    offset = 0
    with path.open("rb") as file:
        for raw in file:
            bom = codecs.BOM_UTF8 if offset == 0 else b""
            try:
                yield raw.removeprefix(bom).decode("utf-8")
            except UnicodeDecodeError as error:
                bom_bytes = len(raw) - len(error.object)
                byte = error.object[error.start]
                start = b"" if offset else raw[:2]
                _raise_not_utf8(path, offset + bom_bytes + error.start, byte, start)
            offset += len(raw)


def decode_chunks(path: Path) -> Iterator[str]:
    """Yield the text of a file in chunks. Raises `SourceError` with the offset."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    offset = 0
    with path.open("rb") as file:
        while True:
            raw = file.read(CHUNK_BYTES)
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                carried_bytes = len(error.object) - len(raw)
                byte = error.object[error.start]
                start = b"" if offset else raw[:2]
                _raise_not_utf8(path, offset - carried_bytes + error.start, byte, start)
            if text:
                yield text
            if not raw:
                return
            offset += len(raw)


def _raise_not_utf8(path: Path, offset: int, byte: int, file_start: bytes) -> NoReturn:
    is_utf16 = file_start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "UTF-16" if is_utf16 else "ISO-8859-1"
    advice = f"Convert it first: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
    if not is_utf16:
        advice += " (replace ISO-8859-1 by the file's encoding)"
    raise SourceError(
        f"{path}: byte {offset} (0x{byte:02x}) is not UTF-8 text", f"{advice}.", "source.path"
    )
