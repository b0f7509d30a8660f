"""Decode text files. A byte that is invalid makes its row unreadable, not the whole file."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.open_file import open_binary
from deepsynth_tui.dataset.reading.reader import Unreadable

CHUNK_CHARACTERS = 1 << 20
ENCODINGS_BY_MARK = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16."""
UNDECODED = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` puts in place of an invalid byte."""
_ADVICE = "Set source.encoding to the encoding of the file, such as cp1252 or shift_jis."


def decode_text(data: bytes, encoding: str | None) -> str:
    """Decode a whole file. Raises `UnreadableDocument` with the offset of the invalid byte."""
    encoding = _encoding(data[:4], encoding)
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        detail = str(error)
        if isinstance(error, UnicodeDecodeError) and error.start < len(error.object):
            # Without the byte order mark, which some codecs cut off first.
            start = error.start + len(data) - len(error.object)
            detail = f"byte {start} is 0x{error.object[error.start]:02x}"
        raise _not_text(encoding, detail) from error


def decode_lines(path: Path, encoding: str | None) -> Iterator[str]:
    """Yield the lines of a file with their line ends; see `undecoded`.

    Raises `UnreadableDocument` for a file that is not text in this encoding at all.
    """
    with _open_text(path, encoding) as file:
        lines = iter(file)
        while True:
            try:
                yield next(lines)
            except StopIteration:
                return
            except UnicodeError as error:
                raise _not_text(file.encoding, str(error)) from error


def decode_chunks(path: Path, encoding: str | None) -> Iterator[str]:
    """Yield the text of a file in chunks; see `undecoded`. Raises as `decode_lines` does."""
    with _open_text(path, encoding) as file:
        while True:
            try:
                text = file.read(CHUNK_CHARACTERS)
            except UnicodeError as error:
                raise _not_text(file.encoding, str(error)) from error
            if not text:
                return
            yield text


def undecoded(text: str, encoding: str | None) -> Unreadable | None:
    """Return why a part of a file is unreadable if it contains a byte that could not be decoded."""
    if text.isascii():
        return None
    try:
        # Faster than searching: only what stands for invalid bytes cannot be encoded.
        text.encode()
        return None
    except UnicodeEncodeError:
        match = UNDECODED.search(text)
    if match is None:
        return None
    detail = f"byte 0x{ord(match.group()) - 0xDC00:02x} after {match.start()} characters"
    return Unreadable(_reason(encoding or "utf-8"), detail, _ADVICE)


def _open_text(path: Path, encoding: str | None) -> io.TextIOWrapper:
    file = open_binary(path)
    start = file.peek(4)[:4] if isinstance(file, io.BufferedReader) else b""
    # An empty `newline` keeps line ends as they are, as `csv` needs them.
    return io.TextIOWrapper(
        file, encoding=_encoding(start, encoding), errors="surrogateescape", newline=""
    )


def _encoding(start: bytes, configured: str | None) -> str:
    """Return the codec for a file that begins with the bytes `start`."""
    if configured is not None and codecs.lookup(configured).name != "utf-8":
        return configured
    return next((name for mark, name in ENCODINGS_BY_MARK if start.startswith(mark)), "utf-8")


def _not_text(encoding: str, detail: str) -> UnreadableDocument:
    return UnreadableDocument(_reason(encoding), _ADVICE, detail)


def _reason(encoding: str) -> str:
    return f"text that is not {encoding.removesuffix('-sig').upper().replace('_', '-')}"
