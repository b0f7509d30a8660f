"""The objects of a JSON file one by one, with their lines: JSON Lines, arrays, {"data": [..]}.

`pyarrow` and `datasets` give every key one type, and refuse a file in which a content is text in
one row and a list in another. This reads any JSON, and holds one object and one chunk at a time.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from deepsynth_tui.conversations.errors import DatasetError

CHUNK_CHARACTERS = 1 << 20
ROWS_KEYS = ("data", "rows")
"""Keys of an object whose value is the list of rows."""
# A chunk may end inside `false` or `\\u00e9`: the decoder then reports an error at most this many
# characters before the end.
MAX_TOKEN_PART = 16
WHITE_SPACE = re.compile(r"[ \t\n\r]*")


class _InvalidJson(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


class _DuplicateKeys(ValueError):
    """An object has a key twice, so that one of the values would be lost."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise _DuplicateKeys(f"the key {repeated[0]!r} is there more than once in an object")
    return values


DECODER = json.JSONDecoder(object_pairs_hook=_object)


def iter_objects(path: Path) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Yield (line, object, its text) for each row of a JSON file, which may be gzipped.

    Raises:
        DatasetError: the file is not UTF-8 JSON, or its values are not objects; with the line.
    """
    try:
        with open_text(path) as file:
            yield from _iter_values(_Text(file))
    except _InvalidJson as error:
        raise DatasetError(
            f"{path}, line {error.line}: {error.reason}",
            "The file must hold one object per line (JSON Lines), or a list of objects.",
            "data.path",
        ) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", "", "data.path") from error


def not_utf8(path: Path, error: UnicodeDecodeError) -> DatasetError:
    """Return the error for a file in another encoding."""
    is_utf16 = error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "UTF-16" if is_utf16 else "ISO-8859-1"
    return DatasetError(
        f"{path} is not UTF-8 text: byte 0x{error.object[error.start]:02x}, {error.reason}",
        f"Convert it first: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
        + ("." if is_utf16 else " (replace ISO-8859-1 by the file's encoding)."),
        "data.path",
    )


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 file, with or without a byte order mark, gzipped or not."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _iter_values(text: _Text) -> Iterator[tuple[int, dict[str, Any], str]]:
    first = text.peek()
    if first == "{" and (key := text.wrapped_rows_key()):
        text.skip_to_rows(key)
        yield from _iter_array(text)
        return  # what follows the list describes it
    while first := text.peek():
        if first == "[":
            yield from _iter_array(text)
        else:
            yield text.parse_object()
            if text.peek() == ",":
                raise _InvalidJson(text.line, "a comma between two objects that are in no list")


def _iter_array(text: _Text) -> Iterator[tuple[int, dict[str, Any], str]]:
    text.expect("[")
    if text.peek() != "]":
        yield text.parse_object()
        while text.peek() == ",":
            text.expect(",")
            text.peek()
            yield text.parse_object()
    text.expect("]")


class _Text:
    """The text read but not yet parsed is `buffer[position:]`, which begins in `line`."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.buffer = ""
        self.position = 0
        self.line = 1

    def peek(self) -> str:
        """Skip white space and return the next character, empty at the end."""
        while True:
            match = WHITE_SPACE.match(self.buffer, self.position)
            self._skip_to(match.end() if match else self.position)
            if self.position < len(self.buffer):
                return self.buffer[self.position]
            if not self._read_chunk():
                return ""

    def expect(self, character: str) -> None:
        """Skip white space and `character`."""
        actual = self.peek()
        if actual != character:
            got = repr(actual) if actual else "the end of the file"
            raise _InvalidJson(self.line, f"invalid JSON: expected {character!r}, got {got}")
        self._skip_to(self.position + 1)

    def parse_object(self) -> tuple[int, dict[str, Any], str]:
        """Parse the next value, which must be an object; return its line, it and its text."""
        self.peek()
        line, start = self.line, self.position
        value, end, start = self._decode(start)
        if not isinstance(value, dict):
            raise _InvalidJson(line, f"expected an object, got {json.dumps(value)[:40]}")
        text = self.buffer[start:end]
        self._skip_to(end)
        return line, value, text

    def wrapped_rows_key(self) -> str | None:
        """Return the key of the rows if the text is one object around a list of objects."""
        while len(self.buffer) - self.position < CHUNK_CHARACTERS and self._read_chunk():
            pass
        keys = "|".join(ROWS_KEYS)
        match = re.compile(rf'"({keys})"\s*:\s*\[\s*\{{').search(self.buffer, self.position)
        if match is None or not _is_at_top(self.buffer[self.position : match.start()]):
            return None
        return match.group(1)

    def skip_to_rows(self, key: str) -> None:
        """Skip to the list under `key`."""
        match = re.compile(rf'"{key}"\s*:\s*').search(self.buffer, self.position)
        assert match is not None
        self._skip_to(match.end())

    def _decode(self, start: int) -> tuple[Any, int, int]:
        while True:
            try:
                value, end = DECODER.raw_decode(self.buffer, start)
            except RecursionError as error:
                raise _InvalidJson(self.line, "nested too deeply") from error
            except json.JSONDecodeError as error:
                may_be_cut = error.pos > len(self.buffer) - MAX_TOKEN_PART
                if (may_be_cut or error.msg.startswith("Unterminated")) and self._read_chunk():
                    start = self.position
                    continue
                line = self.line + self.buffer.count("\n", start, error.pos)
                raise _InvalidJson(line, f"invalid JSON: {error.msg}") from error
            except ValueError as error:  # a key twice, or a number of thousands of digits
                raise _InvalidJson(self.line, str(error)) from error
            return value, end, start

    def _skip_to(self, end: int) -> None:
        self.line += self.buffer.count("\n", self.position, end)
        self.position = end

    def _read_chunk(self) -> bool:
        """Append the next chunk to the buffer; return whether there was one."""
        # A large object takes many chunks; doubling them keeps its parsing linear.
        unparsed = len(self.buffer) - self.position
        chunk = self.file.read(max(CHUNK_CHARACTERS, unparsed))
        if not chunk:
            return False
        self.buffer, self.position = self.buffer[self.position :] + chunk, 0
        return True


def _is_at_top(text: str) -> bool:
    """Return whether text from an opening brace on ends at a key of that object."""
    inside = text.strip().removeprefix("{").strip()
    if not inside:
        return True
    try:
        value = json.loads("{" + inside.rstrip().removesuffix(",") + "}")
    except json.JSONDecodeError:
        return False
    # A row may have such a key too, beside its question or messages.
    return all(not isinstance(item, list) for item in value.values())
