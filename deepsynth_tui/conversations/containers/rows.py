"""Rows by index: of Arrow tables, and of JSON text in an Arrow table."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import datasets

from deepsynth_tui.conversations.layouts.layout import Row
from deepsynth_tui.conversations.schema import Schema, schema_from_arrow

ROW, PLACE, FOLDER = "row", "place", "folder"
"""Columns of a table of JSON rows: the text, the file with its line, and the folder of the file."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row: its values, its file and line if it has one, and the folder of its image paths."""

    values: Row
    place: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class StoredRows(ABC):
    """Rows in memory-mapped Arrow files.

    Attributes:
        table: The files.
        schema: The columns of the rows.
    """

    table: datasets.Dataset
    schema: Schema

    def __len__(self) -> int:
        return len(self.table)

    @abstractmethod
    def __getitem__(self, index: int) -> StoredRow:
        """Return a row. Images are not decoded."""

    @abstractmethod
    def values(self, column: str) -> Sequence[Any]:
        """Return the values of a column."""

    @abstractmethod
    def with_columns(self, names: Sequence[str]) -> Self:
        """Return the rows with no more than these columns, where that saves reading."""


@dataclass(frozen=True)
class ArrowRows(StoredRows):
    """Rows of a typed table; `class_names` are those of the numbers in columns of class labels."""

    root: Path | None = None
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: datasets.Dataset, root: Path | None = None) -> Self:
        """Return the rows of a dataset, without decoding anything in them."""
        class_names = {
            name: feature.names
            for name, feature in dataset.features.items()
            if isinstance(feature, datasets.ClassLabel)
        }
        schema = schema_from_arrow(dataset.features.arrow_schema)
        return cls(dataset.with_format("arrow"), schema, root, class_names)

    def __getitem__(self, index: int) -> StoredRow:
        """Return a row, class labels as their names."""
        table: Any = self.table[index : index + 1]
        values = table.to_pylist()[0]
        for name, names in self.class_names.items():
            if values.get(name) is not None:
                values[name] = names[values[name]] if values[name] >= 0 else None
        return StoredRow(values, "", self.root)

    def values(self, column: str) -> Sequence[Any]:
        """Return the values of a column."""
        return self.table.with_format(None)[column][:]

    def with_columns(self, names: Sequence[str]) -> Self:
        """Return the rows with these columns alone: others may be large."""
        class_names = {name: self.class_names[name] for name in names if name in self.class_names}
        return replace(self, table=self.table.select_columns(list(names)), class_names=class_names)


@dataclass(frozen=True)
class JsonRows(StoredRows):
    """Rows as JSON text, so that values of one key may have different types."""

    def __getitem__(self, index: int) -> StoredRow:
        """Return the object of a row."""
        row = self.table[index]
        return StoredRow(json.loads(row[ROW]), row[PLACE], Path(row[FOLDER]))

    def values(self, column: str) -> Sequence[Any]:
        """Return the values of a key, None where it is missing. Parses every row."""
        rows: Any = self.table
        return [json.loads(row[ROW]).get(column) for row in rows]

    def with_columns(self, names: Sequence[str]) -> Self:
        """Return the rows as they are: their text is read as a whole."""
        del names
        return self
