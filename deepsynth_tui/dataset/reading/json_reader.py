"""Read JSON Lines files, JSON arrays of objects, and files that hold one object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.column_paths import MAX_NESTED_COLUMNS, iter_nested, value_at
from deepsynth_tui.dataset.reading.decode_text import decode_chunks, decode_lines, undecoded
from deepsynth_tui.dataset.reading.json_objects import (
    DuplicateKey,
    iter_elements,
    refuse_duplicates,
)
from deepsynth_tui.dataset.reading.named_columns import TEXT_NAMES
from deepsynth_tui.dataset.reading.open_file import content_suffix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow, Unreadable
from deepsynth_tui.json_stream import InvalidJson

# The columns of a JSON file are the keys of this many objects.
SAMPLED_OBJECTS = 100
JSON_KINDS = {str: TEXT, bool: "true or false", int: "number", float: "number", list: "list"}
OBJECT = "object"
SHOWN_CHARACTERS = 40
_ADVICE = "The file must hold one object per line (JSON Lines) or an array of objects."


class JsonReader(SourceReader):
    """Reads JSON Lines, one JSON array of objects, or one object on several lines as one row."""

    def __init__(self, path: Path, settings: SourceSettings, name: str = "") -> None:
        """Open a file. Rows are called by `name`, by default that of the file, and line."""
        self.path = path
        self.name = name or path.name
        self.bytes_to_count = path.stat().st_size
        self._encoding = settings.encoding
        start = next((text for text in (t.lstrip() for t in self._chunks()) if text), "")
        if not start:
            raise SourceError(f"{path} is empty", "Choose a file with documents.", "source.path")
        self._is_array = start.startswith("[")
        self._is_object = start.startswith("{") and self._first_line_is_cut()
        rows = list(islice(self.rows(()), SAMPLED_OBJECTS))
        self._check_any_object(rows)
        if len(rows) == 1 and content_suffix(path) == ".json":
            self._refuse_wrapped_rows(rows[0].values, settings.text_column)
        self.kinds = _kinds(rows)
        self.columns = tuple(
            name for name, kind in self.kinds.items() if kind not in (OBJECT, "list")
        )
        self.contents = (
            "a JSON array of objects"
            if self._is_array
            else "one JSON object"
            if self._is_object
            else "JSON Lines",
        )

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the objects, skipping blank lines."""
        for line, value in self._values():
            location = f"{self.name}:{line}"
            if isinstance(value, dict):
                yield SourceRow(location, value)
            elif isinstance(value, Unreadable):
                yield SourceRow(location, {}, value)
            else:
                detail = json.dumps(value)[:SHOWN_CHARACTERS]
                yield SourceRow(location, {}, Unreadable("no JSON object", detail, _ADVICE))

    def count(self) -> None:
        """Return None: the rows have to be read."""

    def _check_any_object(self, rows: Sequence[SourceRow]) -> None:
        """Raise `SourceError` if nothing was readable: then the file is in another format."""
        if rows and all(row.unreadable for row in rows):
            unreadable = rows[0].unreadable
            line = rows[0].location.rpartition(":")[2]
            raise SourceError(f"{self.path}, line {line}: {unreadable}", _ADVICE, "source.path")

    def _refuse_wrapped_rows(self, values: Mapping[str, Any], text_column: str | None) -> None:
        """Raise `SourceError` if the only object of the file wraps a list of rows."""
        lists = [key for key, item in values.items() if _is_list_of_objects(item)]
        has_text = (
            any(key.casefold() in TEXT_NAMES for key in values)
            if text_column is None
            else value_at(values, text_column) is not None
        )
        if lists and not has_text:
            raise SourceError(
                f"{self.path} is one object with the keys {', '.join(values)}; rows may be in "
                f"{' or '.join(lists)}",
                f"Write the rows to a file of their own: jq -c '.{lists[0]}[]' {self.path.name} > "
                f"{self.path.stem}.jsonl",
                "source.path",
            )

    def _values(self) -> Iterator[tuple[int, Any]]:
        if self._is_object:
            yield 1, self._parse("".join(self._chunks()))
        elif self._is_array:
            yield from self._array()
        else:
            yield from self._json_lines()

    def _first_line_is_cut(self) -> bool:
        """Return whether the first line ends within an object, and the next continues it."""
        lines = list(islice((line for line in self._lines() if line.strip()), 2))
        first = self._parse(lines[0])
        # A broken first line of JSON Lines is followed by the start of another object.
        return isinstance(first, Unreadable) and len(lines) > 1 and lines[1].strip()[0] != "{"

    def _json_lines(self) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(self._lines(), start=1):
            if line.strip():
                yield number, self._parse(line)

    def _parse(self, line: str) -> Any:
        try:
            value = json.loads(line, object_pairs_hook=refuse_duplicates)
        except DuplicateKey as error:
            return error.unreadable
        except json.JSONDecodeError as error:
            return Unreadable("invalid JSON", f"{error.msg} (column {error.colno})", _ADVICE)
        except RecursionError:
            return Unreadable("JSON nested too deeply")
        except ValueError as error:  # an integer of more digits than `int` takes
            return Unreadable("invalid JSON", str(error))
        return undecoded(line, self._encoding) or value

    def _array(self) -> Iterator[tuple[int, Any]]:
        try:
            for line, value, text in iter_elements(self._chunks()):
                yield line, undecoded(text, self._encoding) or value
        except InvalidJson as error:
            raise SourceError(
                f"{self.path}, line {error.line}: {error.reason}",
                f"{_ADVICE} In JSON Lines, a single line can be left out.",
                "source.path",
            ) from error

    def _lines(self) -> Iterator[str]:
        try:
            yield from decode_lines(self.path, self._encoding)
        except UnreadableDocument as error:
            raise self._unreadable_file(error) from error

    def _chunks(self) -> Iterator[str]:
        try:
            yield from decode_chunks(self.path, self._encoding)
        except UnreadableDocument as error:
            raise self._unreadable_file(error) from error

    def _unreadable_file(self, error: UnreadableDocument) -> SourceError:
        return SourceError(f"{self.path}: {error.message}", error.advice, "source.path")


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _kinds(rows: Sequence[SourceRow]) -> dict[str, str]:
    """Return the type of each key, and of each path in nested objects."""
    kinds: dict[str, str] = {}
    nested = 0
    for row in rows:
        for name, value in row.values.items():
            for path, item in [(name, value), *iter_nested(name, value)]:
                if path not in kinds and path is not name:
                    nested += 1
                    if nested > MAX_NESTED_COLUMNS:
                        break
                kind = "" if item is None else JSON_KINDS.get(type(item), OBJECT)
                kinds[path] = kinds.get(path) or kind
    return {name: kind or "null" for name, kind in kinds.items()}
