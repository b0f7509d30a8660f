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
from functools import partial
from pathlib import Path
from typing import IO, Any

from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.json_stream import InvalidJson, JsonStream

CHUNK_CHARACTERS = 1 << 20
ROWS_KEYS = ("data", "rows")
"""Keys of an object whose value is the list of rows."""


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
            chunks = iter(partial(file.read, CHUNK_CHARACTERS), "")
            yield from _iter_objects(JsonStream(chunks, DECODER.raw_decode))
    except InvalidJson as error:
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


def _iter_objects(stream: JsonStream) -> Iterator[tuple[int, dict[str, Any], str]]:
    first = stream.peek()
    if first == "{" and (key := _wrapped_rows_key(stream)):
        _skip_to_rows(stream, key)
        yield from map(_require_object, stream.iter_array())
        return  # what follows the list describes it
    while first := stream.peek():
        if first == "[":
            yield from map(_require_object, stream.iter_array())
        else:
            yield _require_object(stream.parse())
            if stream.peek() == ",":
                raise InvalidJson(stream.line, "a comma between two objects that are in no list")


def _require_object(parsed: tuple[int, Any, str]) -> tuple[int, dict[str, Any], str]:
    line, value, text = parsed
    if not isinstance(value, dict):
        raise InvalidJson(line, f"expected an object, got {json.dumps(value)[:40]}")
    return line, value, text


def _wrapped_rows_key(stream: JsonStream) -> str | None:
    """Return the key of the rows if the text is one object around a list of objects."""
    while len(stream.buffer) - stream.position < CHUNK_CHARACTERS and stream.read_more():
        pass
    keys = "|".join(ROWS_KEYS)
    match = re.compile(rf'"({keys})"\s*:\s*\[\s*\{{').search(stream.buffer, stream.position)
    if match is None or not _is_at_top(stream.buffer[stream.position : match.start()]):
        return None
    return match.group(1)


def _skip_to_rows(stream: JsonStream, key: str) -> None:
    """Skip to the list under `key`."""
    match = re.compile(rf'"{key}"\s*:\s*').search(stream.buffer, stream.position)
    assert match is not None
    stream.skip_to(match.end())


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
