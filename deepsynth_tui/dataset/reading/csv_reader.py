"""Read CSV and TSV files."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from deepsynth_tui.dataset.errors import SourceError
from deepsynth_tui.dataset.reading.decode_text import decode_lines
from deepsynth_tui.dataset.reading.reader import TEXT, SourceRow

CSV_DELIMITERS = ",;\t|"


class CsvReader:
    """Reads a CSV or TSV file whose first line names the columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = next(decode_lines(path), "").strip("\r\n")
        if not header.strip():
            raise SourceError(
                f"{path} is empty" if not header else f"{path}: the first line names no columns",
                "The first line must name the columns.",
                "source.path",
            )
        is_tsv = path.suffix.lower() == ".tsv"
        self.delimiter = "\t" if is_tsv else max(CSV_DELIMITERS, key=header.count)
        # The default, 128 KiB, is shorter than many documents.
        csv.field_size_limit(sys.maxsize)
        self.columns: tuple[str, ...] = tuple(next(self._rows())[1])
        duplicates = {name for name in self.columns if self.columns.count(name) > 1}
        if duplicates:
            raise SourceError(
                f"{path}: more than one column is named {duplicates.pop()!r}",
                "Rename one of them.",
                "source.path",
            )
        self.kinds: Mapping[str, str] = dict.fromkeys(self.columns, TEXT)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows, skipping blank lines."""
        for line, row in islice(self._rows(), 1, None):
            if len(row) != len(self.columns):
                raise SourceError(
                    f"{self.path}, line {line}: {len(row)} fields where the header has "
                    f"{len(self.columns)}",
                    f"Quote fields that contain {self.delimiter!r}, quotes or line breaks.",
                    "source.path",
                )
            values = dict(zip(self.columns, row, strict=True))
            yield SourceRow(f"{self.path.name}:{line}", values)

    def count(self, limit: int | None) -> int:
        """Read the file and return its number of rows, at most `limit`."""
        return sum(1 for _ in islice(self.rows(()), limit))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, each with the number of its first line."""
        rows = csv.reader(decode_lines(self.path), delimiter=self.delimiter, strict=True)
        first_line = 1
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise SourceError(
                    f"{self.path}, line {first_line}: invalid CSV: {error}",
                    "Check the quotes of the row that starts there.",
                    "source.path",
                ) from error
            if row:
                yield first_line, row
            first_line = rows.line_num + 1
