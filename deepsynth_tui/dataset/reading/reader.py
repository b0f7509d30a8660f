"""Readers of tables on this machine. Each streams; none holds a whole file.

A reader knows its `columns` once it is made, and yields `SourceRow`s. What cannot be read raises
`SourceError` naming the file and the line, row or byte.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, Protocol

from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.decode_text import chunks, lines
from deepsynth_tui.dataset.reading.json_array import InvalidArray, elements

CSV_DELIMITERS = ",;\t|"
# The keys of this many objects are taken for the columns of a JSON file.
SAMPLED_OBJECTS = 100
PARQUET_BATCH_ROWS = 256
TEXT = "text"
JSON_KINDS = {str: TEXT, bool: "true or false", int: "number", float: "number", list: "list"}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row. `place` says where it stands ("notes.csv:3"), for people; `unreadable` why its
    values could not be read."""

    place: str
    values: Mapping[str, Any]
    unreadable: str | None = None


class SourceReader(Protocol):
    """A place with records."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that can hold text."""
        ...

    @property
    def kinds(self) -> Mapping[str, str]:
        """What each column holds, in words: `TEXT`, or the name that its format has for it."""
        ...

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield every record in order, with at least the values of `columns`."""
        ...

    def count(self, limit: int | None) -> int | None:
        """Return how many records there are, at most `limit`; None where nobody knows.

        May read, and so check, that many.
        """
        ...


class CsvReader:
    """A CSV or TSV file whose first line names the columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = next(lines(path), "").strip("\r\n")
        if not header.strip():
            raise SourceError(
                f"{path} is empty" if not header else f"{path}: the first line names no columns",
                "The first line must name the columns.",
                "source.path",
            )
        tab = path.suffix.lower() == ".tsv"
        self.delimiter = "\t" if tab else max(CSV_DELIMITERS, key=header.count)
        # Its default, 128 KiB, is shorter than many documents.
        csv.field_size_limit(sys.maxsize)
        self.columns: tuple[str, ...] = tuple(next(self._rows())[1])
        doubled = {name for name in self.columns if self.columns.count(name) > 1}
        if doubled:
            raise SourceError(
                f"{path}: more than one column is named {doubled.pop()!r}",
                "Rename one of them.",
                "source.path",
            )
        self.kinds: Mapping[str, str] = dict.fromkeys(self.columns, TEXT)

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows; blank lines are no rows."""
        for line, row in islice(self._rows(), 1, None):
            if len(row) != len(self.columns):
                raise SourceError(
                    f"{self.path}, line {line}: {len(row)} fields where the header has "
                    f"{len(self.columns)}",
                    f"Put fields that hold {self.delimiter!r}, quotes or line ends in quotes.",
                    "source.path",
                )
            values = dict(zip(self.columns, row, strict=True))
            yield SourceRow(f"{self.path.name}:{line}", values)

    def count(self, limit: int | None) -> int:
        """Read the file through and return its number of rows, at most `limit`."""
        return sum(1 for _ in islice(self.records(()), limit))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield rows that are not blank, with the number of their first line."""
        rows = csv.reader(lines(self.path), delimiter=self.delimiter, strict=True)
        first = 1
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise SourceError(
                    f"{self.path}, line {first}: invalid CSV: {error}",
                    "Check the quotes of the row that starts there.",
                    "source.path",
                ) from error
            if row:
                yield first, row
            first = rows.line_num + 1


class JsonReader:
    """JSON Lines, or one JSON array of objects."""

    def __init__(self, path: Path) -> None:
        self.path = path
        start = next((text for text in (t.lstrip() for t in chunks(path)) if text), "")
        if not start:
            raise SourceError(f"{path} is empty", "Choose a file with documents.", "source.path")
        self._is_array = start.startswith("[")
        found: dict[str, str] = {}
        for record in islice(self.records(()), SAMPLED_OBJECTS):
            for name, value in record.values.items():
                kind = "" if value is None else JSON_KINDS.get(type(value), "object")
                found[name] = found.get(name) or kind
        self.columns: tuple[str, ...] = tuple(found)
        self.kinds: Mapping[str, str] = {name: kind or "null" for name, kind in found.items()}

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the objects; blank lines are none."""
        for line, value in self._array() if self._is_array else self._lines():
            if not isinstance(value, dict):
                self._refuse(line, f"a JSON object is expected, not {json.dumps(value)[:40]}")
            yield SourceRow(f"{self.path.name}:{line}", value)

    def count(self, limit: int | None) -> int:
        """Read the file through and return its number of objects, at most `limit`."""
        return sum(1 for _ in islice(self.records(()), limit))

    def _lines(self) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(lines(self.path), start=1):
            if line.strip():
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    self._refuse(number, f"{error.msg} (column {error.colno})")
                yield number, value

    def _array(self) -> Iterator[tuple[int, Any]]:
        try:
            yield from elements(chunks(self.path))
        except InvalidArray as error:
            self._refuse(error.line, error.reason)

    def _refuse(self, line: int, what: str) -> NoReturn:
        raise SourceError(
            f"{self.path}, line {line}: invalid JSON: {what}",
            "Expected is one object per line (JSON Lines), or an array of objects.",
            "source.path",
        )


class ParquetReader:
    """A Parquet file. Only its columns of strings are offered."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable_parquet(path, error) from error
        schema = self._file.schema_arrow
        self.columns: tuple[str, ...] = tuple(f.name for f in schema if _is_text(f.type))
        self.kinds: Mapping[str, str] = {
            f.name: TEXT if _is_text(f.type) else str(f.type) for f in schema
        }
        if not self.columns:
            raise ColumnError(
                f"{path} has no column of text",
                f"Its columns: {', '.join(f'{f.name} ({f.type})' for f in schema)}.",
                "source.path",
            )

    def records(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows, with the values of `columns` alone."""
        import pyarrow as pa

        batches = self._file.iter_batches(PARQUET_BATCH_ROWS, columns=list(columns))
        row = 0
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (pa.ArrowInvalid, OSError) as error:
                raise _unreadable_parquet(self.path, error, after_row=row) from error
            for values in batch.to_pylist():
                row += 1
                yield SourceRow(f"{self.path.name}:{row}", values)

    def count(self, limit: int | None) -> int:
        """Return the number of rows, which the file itself tells, at most `limit`."""
        return at_most(limit, self._file.metadata.num_rows)


def at_most(limit: int | None, count: int) -> int:
    """Return `count`, or `limit` where that is less."""
    return count if limit is None else min(limit, count)


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _unreadable_parquet(path: Path, error: Exception, after_row: int = 0) -> SourceError:
    where = f" after row {after_row}" if after_row else ""
    return SourceError(
        f"{path} cannot be read as Parquet{where}: {str(error).splitlines()[0]}",
        "The file may be half copied or damaged: copy it again.",
        "source.path",
    )
