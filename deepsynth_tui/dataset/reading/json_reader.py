"""Read JSON Lines files and JSON arrays of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.reading.decode_text import decode_chunks, decode_lines
from deepsynth_tui.dataset.reading.json_array import InvalidArray, iter_elements
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow

# The columns of a JSON file are the keys of this many objects.
SAMPLED_OBJECTS = 100
JSON_KINDS = {str: TEXT, bool: "true or false", int: "number", float: "number", list: "list"}


class JsonReader:
    """Reads JSON Lines, or one JSON array of objects."""

    def __init__(self, path: Path) -> None:
        self.path = path
        start = next((text for text in (t.lstrip() for t in decode_chunks(path)) if text), "")
        if not start:
            raise SourceError(f"{path} is empty", "Choose a file with documents.", "source.path")
        self._is_array = start.startswith("[")
        kinds: dict[str, str] = {}
        for row in islice(self.rows(()), SAMPLED_OBJECTS):
            for name, value in row.values.items():
                kind = "" if value is None else JSON_KINDS.get(type(value), "object")
                kinds[name] = kinds.get(name) or kind
        self.columns: tuple[str, ...] = tuple(kinds)
        self.kinds: Mapping[str, str] = {name: kind or "null" for name, kind in kinds.items()}

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the objects, skipping blank lines."""
        for line, value in self._array() if self._is_array else self._json_lines():
            if not isinstance(value, dict):
                self._raise(line, f"expected a JSON object, got {json.dumps(value)[:40]}")
            yield SourceRow(f"{self.path.name}:{line}", value)

    def count(self, limit: int | None) -> int:
        """Read the file and return its number of objects, at most `limit`."""
        return sum(1 for _ in islice(self.rows(()), limit))

    def _json_lines(self) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(decode_lines(self.path), start=1):
            if line.strip():
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    self._raise(number, f"{error.msg} (column {error.colno})")
                yield number, value

    def _array(self) -> Iterator[tuple[int, Any]]:
        try:
            yield from iter_elements(decode_chunks(self.path))
        except InvalidArray as error:
            self._raise(error.line, error.reason)

    def _raise(self, line: int, reason: str) -> NoReturn:
        raise SourceError(
            f"{self.path}, line {line}: invalid JSON: {reason}",
            "The file must hold one object per line (JSON Lines) or an array of objects.",
            "source.path",
        )
