"""Read CSV and TSV files."""

from __future__ import annotations

import csv
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from deepsynth_tui.config.problems import Notice
from deepsynth_tui.config.source import SourceSettings
from deepsynth_tui.dataset.errors import SourceError, UnreadableDocument
from deepsynth_tui.dataset.reading.csv_dialect import (
    SAMPLED_ROWS,
    delimiter_name,
    guess_delimiter,
    guess_header,
    quoting,
)
from deepsynth_tui.dataset.reading.decode_text import decode_lines, undecoded
from deepsynth_tui.dataset.reading.open_file import content_suffix
from deepsynth_tui.dataset.reading.reader import TEXT, SourceReader, SourceRow, Unreadable

MALFORMED = "malformed CSV"
# Enough for the first rows of most files; a row may have many lines.
SAMPLED_LINES = 200
EXAMPLE_CHARACTERS = 60


class CsvReader(SourceReader):
    """Reads a CSV or TSV file, whose first row may name the columns."""

    def __init__(self, path: Path, settings: SourceSettings, name: str = "") -> None:
        """Open a file. Rows are called by `name`, by default that of the file, and line."""
        self.path = path
        self.name = name or path.name
        self.bytes_to_count = path.stat().st_size
        self._encoding = settings.encoding
        self._quotechar = settings.quotechar
        # The default, 128 KiB, is shorter than many documents.
        csv.field_size_limit(sys.maxsize)
        self._delimiter = self._choose_delimiter(settings)
        rows = [row for _, row in islice(self._records(), SAMPLED_ROWS) if isinstance(row, list)]
        first_line, first = next(self._records(), (1, []))
        if isinstance(first, Unreadable):
            raise _source_error(f"{path}, line {first_line}: {first}", first.advice)
        if not any(cell.strip() for cell in first):
            raise _source_error(
                f"{path} is empty" if not first else f"{path}: the first line names no columns",
                "The first line must name the columns, or source.header must be false.",
            )
        self._has_header = self._choose_header(settings, rows)
        if self._has_header and (bad := undecoded("".join(first), self._encoding)):
            raise _source_error(f"{path}, line {first_line}: {bad}", bad.advice)
        self.columns = (
            tuple(first)
            if self._has_header
            else tuple(f"column_{number}" for number in range(1, len(first) + 1))
        )
        duplicates = [name for name, count in Counter(self.columns).items() if count > 1]
        if duplicates:
            raise _source_error(
                f"{path}: more than one column is named {', '.join(map(repr, duplicates))}",
                "Rename one of them; or, if the first line is a row, set source.header to false.",
            )
        self.kinds = dict.fromkeys(self.columns, TEXT)
        self._describe(settings, first)

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield the rows, skipping blank lines."""
        for line, row in islice(self._records(), int(self._has_header), None):
            location = f"{self.name}:{line}"
            if isinstance(row, Unreadable):
                yield SourceRow(location, {}, row)
            elif len(row) != len(self.columns):
                yield SourceRow(location, {}, self._wrong_length(row))
            elif bad := undecoded("".join(row), self._encoding):
                yield SourceRow(location, {}, bad)
            else:
                yield SourceRow(location, dict(zip(self.columns, row, strict=True)))

    def count(self) -> None:
        """Return None: the rows have to be read."""

    def _choose_delimiter(self, settings: SourceSettings) -> str:
        if settings.delimiter is not None:
            return "\t" if settings.delimiter == "\\t" else settings.delimiter
        if content_suffix(self.path) == ".tsv":
            return "\t"
        lines = list(islice(self._lines(), SAMPLED_LINES))
        return guess_delimiter(lines, settings.quotechar)

    def _choose_header(self, settings: SourceSettings, rows: Sequence[Sequence[str]]) -> bool:
        if settings.header is not None:
            return settings.header
        named = {settings.text_column, settings.target_column}
        return not named.isdisjoint(rows[0]) or guess_header(rows)

    def _describe(self, settings: SourceSettings, first: Sequence[str]) -> None:
        guessed = " (guessed)" if settings.header is None else ""
        header = "the first row names the columns" if self._has_header else "no header"
        quotes = "no quotes" if self._quotechar == "" else "quotes " + (self._quotechar or '"')
        delimiter = delimiter_name(self._delimiter)
        self.contents = (f"CSV: delimiter {delimiter}, {quotes}, {header}{guessed}",)
        if guessed and not self._has_header:
            example = ", ".join(first)[:EXAMPLE_CHARACTERS]
            message = (
                "not set, and the first row does not look like names of columns, so it is a "
                f"document; set it to true if it names them: {example}"
            )
            self.notices = (Notice("source.header", message),)

    def _wrong_length(self, row: Sequence[str]) -> Unreadable:
        expected = "the header" if self._has_header else "the first row"
        return Unreadable(
            "a CSV row with another number of fields",
            f"{len(row)} fields where {expected} has {len(self.columns)}",
            f"Quote fields that contain {self._delimiter!r}, quotes or line breaks; or set "
            "source.delimiter or source.quotechar.",
        )

    def _records(self) -> Iterator[tuple[int, list[str] | Unreadable]]:
        """Yield the rows that are not blank, each with the number of its first line.

        After a malformed row, reading continues in the next line: an open quote would include all
        rows up to the next quote.
        """
        lines = _RowLines(self._lines())
        while True:
            rows = csv.reader(
                lines, delimiter=self._delimiter, strict=True, **quoting(self._quotechar)
            )
            try:
                for row in rows:
                    if row:
                        yield lines.first_line, row
                    lines.begin_row()
            except csv.Error as error:
                lines.give_back_all_but_first()
                advice = "Check the quotes of the row that starts there, or set source.quotechar."
                yield lines.first_line, Unreadable(MALFORMED, str(error), advice)
                lines.begin_row()
            else:
                return

    def _lines(self) -> Iterator[str]:
        try:
            yield from decode_lines(self.path, self._encoding)
        except UnreadableDocument as error:
            raise _source_error(f"{self.path}: {error.message}", error.advice) from error


class _RowLines:
    """Iterates over lines; those of the current row can be given back and read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.first_line = 1
        self._lines = lines
        self._row: deque[str] = deque()

    def __iter__(self) -> _RowLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        self.first_line += len(self._row)
        self._row.clear()

    def give_back_all_but_first(self) -> None:
        first, *others = self._row
        self._lines = chain(others, self._lines)
        self._row = deque([first])


def _source_error(message: str, advice: str) -> SourceError:
    return SourceError(message, advice, "source.path")
