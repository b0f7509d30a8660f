"""The columns of an Arrow schema, for readers of Parquet and Arrow files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import ColumnError, SourceError
from deepsynth_tui.dataset.reading.reader import TEXT


def column_kinds(schema: Any, path: Path) -> dict[str, str]:
    """Return the type of each column, and of each path to a field in structs.

    Raises:
        SourceError: two columns have the same name.
        ColumnError: no column holds text.
    """
    _refuse_duplicates(schema, path, "")
    kinds = dict(_iter_kinds(schema, ""))
    if TEXT not in kinds.values():
        raise ColumnError(
            f"{path} has no text column",
            f"Its columns: {', '.join(f'{field.name} ({field.type})' for field in schema)}.",
            "source.path",
        )
    # A column whose name contains dots comes before the path to a field.
    return kinds | dict(_iter_kinds(schema, "", nested=False))


def _iter_kinds(fields: Any, prefix: str, *, nested: bool = True) -> Iterator[tuple[str, str]]:
    import pyarrow.types as types

    for field in fields:
        name = f"{prefix}{field.name}"
        yield name, TEXT if _is_string(field.type) else str(field.type)
        if nested and types.is_struct(field.type):
            yield from _iter_kinds(field.type, f"{name}.")


def _refuse_duplicates(fields: Any, path: Path, prefix: str) -> None:
    import pyarrow.types as types

    counts = Counter(field.name for field in fields)
    if duplicates := [f"{prefix}{name}" for name, count in counts.items() if count > 1]:
        raise SourceError(
            f"{path}: more than one column is named {', '.join(map(repr, duplicates))}",
            "Rename one of them.",
            "source.path",
        )
    for field in fields:
        if types.is_struct(field.type):
            _refuse_duplicates(field.type, path, f"{prefix}{field.name}.")


def _is_string(arrow_type: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(arrow_type):
        arrow_type = arrow_type.value_type
    return (
        types.is_string(arrow_type)
        or types.is_large_string(arrow_type)
        or types.is_string_view(arrow_type)
    )
