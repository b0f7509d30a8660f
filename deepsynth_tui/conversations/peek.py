"""The columns of a dataset at a glance: of Parquet footers, or of the first rows of a file.

Imports neither datasets nor torch: the preflight check uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow
from pyarrow import parquet

from deepsynth_tui.conversations.containers.csv_rows import iter_csv
from deepsynth_tui.conversations.containers.json_values import iter_objects
from deepsynth_tui.conversations.containers.splits import files_by_split
from deepsynth_tui.conversations.errors import DatasetError
from deepsynth_tui.conversations.schema import Schema, SchemaBuilder, schema_from_arrow

PEEKED_ROWS = 100
ROW_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Glance:
    """The columns of a dataset, and its number of rows if it is known without reading them.

    `is_complete` is whether they are all of its columns.
    """

    schema: Schema
    rows: int | None
    is_complete: bool


def peek(path: Path, split: str) -> Glance | None:
    """Return the columns of a file or folder; None for a kind whose rows would have to be read.

    Raises:
        DatasetError: a file is damaged.
    """
    if path.is_file():
        return _peek_parquet([path]) if path.suffix == ".parquet" else _peek_rows(path)
    files = sorted(path.rglob("*.parquet"))
    if not files or (path / "metadata.parquet") in files:
        return None
    by_split = files_by_split(files, path)
    return _peek_parquet(by_split.get(split) or files)


def _peek_parquet(files: Sequence[Path]) -> Glance:
    rows = 0
    schema: Schema = {}
    for path in files:
        try:
            footer = parquet.read_metadata(path)
        except (OSError, pyarrow.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise DatasetError(
                f"{path} cannot be read: {reason}", "generate it again", "data.path"
            ) from error
        rows += footer.num_rows
        schema = schema_from_arrow(footer.schema.to_arrow_schema())
    return Glance(schema, rows, is_complete=True)


def _peek_rows(path: Path) -> Glance | None:
    if path.suffix.lower() not in ROW_SUFFIXES or path.name == "dataset_info.json":
        return None
    builder = SchemaBuilder()
    if path.suffix.lower() in (".csv", ".tsv"):
        for _, csv_row in islice(iter_csv(path), PEEKED_ROWS):
            builder.add(csv_row)
        return Glance(builder.schema(), None, is_complete=True)
    rows = 0
    for _, row, _ in islice(iter_objects(path), PEEKED_ROWS):
        builder.add(row)
        rows += 1
    is_complete = rows < PEEKED_ROWS
    return Glance(builder.schema(), rows if is_complete else None, is_complete)
