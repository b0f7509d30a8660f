"""Rows of CSV and TSV files, whose first line names the columns."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepsynth_tui.conversations.containers.json_values import not_utf8, open_text
from deepsynth_tui.conversations.errors import DatasetError

DELIMITERS = ",;\t|"


def iter_csv(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield (line, values by column) for each row; an empty field is None.

    Raises:
        DatasetError: the file is not UTF-8 or not CSV, names a column twice, or a row has another
            number of fields than the header.
    """
    csv.field_size_limit(sys.maxsize)  # the default, 128 KiB, is shorter than many texts
    try:
        with open_text(path) as file:
            header = file.readline()
            file.seek(0)
            is_tsv = ".tsv" in (suffix.lower() for suffix in path.suffixes)
            delimiter = "\t" if is_tsv else max(DELIMITERS, key=header.count)
            yield from _rows(path, csv.reader(file, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", "", "data.path") from error


def _rows(path: Path, reader: Any) -> Iterator[tuple[int, dict[str, str | None]]]:
    columns: list[str] = []
    line = 1
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DatasetError(
                f"{path}, line {line}: invalid CSV: {error}",
                "Check the quotes of the row that starts there.",
                "data.path",
            ) from error
        if not columns:
            columns = fields
            _check_header(path, columns)
        elif fields:
            if len(fields) != len(columns):
                raise DatasetError(
                    f"{path}, line {line}: {len(fields)} fields where the header has "
                    f"{len(columns)}",
                    "Quote fields that contain the delimiter, quotes or line breaks.",
                    "data.path",
                )
            yield line, {name: value or None for name, value in zip(columns, fields, strict=True)}
        line = reader.line_num + 1


def _check_header(path: Path, columns: list[str]) -> None:
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated or not any(columns):
        what = f"more than one column is named {repeated[0]!r}" if repeated else "no column names"
        raise DatasetError(f"{path}: {what}", "The first line names the columns.", "data.path")
