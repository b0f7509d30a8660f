"""What the columns of a dataset hold, from an Arrow schema or from JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

Kind = Literal[
    "text",
    "number",
    "bool",
    "image",
    "bytes",
    "object",
    "texts",
    "images",
    "objects",
    "list",
    "other",
]
"""Kind of a value. `images`, `texts` and `objects` are lists of these; `list` is any other list."""

IMAGE_PART_KEYS = frozenset({"image", "image_url"})  # keys of a message part that holds an image
IMAGE_PART_TYPES = frozenset({"image", "image_url", "input_image"})
VALUE_KINDS: Mapping[type, Kind] = {
    str: "text",
    bool: "bool",
    int: "number",
    float: "number",
    bytes: "bytes",
}
LIST_KINDS: Mapping[Kind, Kind] = {
    "text": "texts",
    "image": "images",
    "bytes": "images",
    "object": "objects",
}


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds.

    Attributes:
        name: Its name.
        kinds: Kinds of its values, without nulls; several in JSON.
        keys: Keys of its objects, or of the objects in its lists.
        has_image_parts: Its messages contain parts that are images.
        rows: Number of rows with a value, None if unknown.
    """

    name: str
    kinds: frozenset[Kind] = frozenset()
    keys: frozenset[str] = frozenset()
    has_image_parts: bool = False
    rows: int | None = None

    def holds(self, *kinds: Kind) -> bool:
        """Return whether it has values and all are of one of these kinds."""
        return bool(self.kinds) and self.kinds <= frozenset(kinds)


Schema = Mapping[str, Column]
"""Columns by name, in the order of the dataset."""


def schema_from_arrow(schema: pa.Schema) -> Schema:
    """Return the columns of an Arrow schema."""
    return {item.name: _column_from_arrow(item.name, item.type) for item in schema}


def _column_from_arrow(name: str, kind: pa.DataType) -> Column:
    arrow_kind = _arrow_kind(kind)
    if arrow_kind is None:
        return Column(name)
    item: Any = kind.value_type if _is_list(kind) else kind
    keys = frozenset(item.names) if pa.types.is_struct(item) else frozenset()
    return Column(name, frozenset({arrow_kind}), keys, _has_image_field(item))


def _arrow_kind(kind: pa.DataType) -> Kind | None:
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _arrow_kind(kind.storage_type)
    if types.is_dictionary(kind):
        return _arrow_kind(kind.value_type)
    if types.is_null(kind):
        return None
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_boolean(kind):
        return "bool"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_binary(kind) or types.is_large_binary(kind):
        return "bytes"
    if types.is_struct(kind):
        return "image" if {"bytes", "path"} <= set(kind.names) else "object"
    if _is_list(kind):
        item = _arrow_kind(kind.value_type)
        return None if item is None else LIST_KINDS.get(item, "list")
    return "other"


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _has_image_field(message: pa.DataType) -> bool:
    """Return whether the content of a message has fields for an image."""
    if not pa.types.is_struct(message) or "content" not in message.names:
        return False
    content: Any = message.field("content").type
    part = content.value_type if _is_list(content) else content
    return pa.types.is_struct(part) and not IMAGE_PART_KEYS.isdisjoint(part.names)


@dataclass(slots=True)
class _Values:
    """What the values of one key have been so far."""

    kinds: set[Kind] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    has_image_parts: bool = False
    rows: int = 0

    def add(self, value: Any) -> None:
        self.rows += 1
        if (kind := value_kind(value)) is not None:
            self.kinds.add(kind)
        if isinstance(value, str):
            return
        for item in _objects(value):
            self.keys.update(item)
            self.has_image_parts = self.has_image_parts or _has_image_part(item)


class SchemaBuilder:
    """Collects the columns of JSON objects, one object after the other."""

    def __init__(self) -> None:
        self._values: dict[str, _Values] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the keys of an object and the kinds of their values."""
        for name, value in row.items():
            values = self._values.get(name)
            if values is None:
                values = self._values[name] = _Values()
            if value is not None:
                values.add(value)

    def schema(self) -> Schema:
        """Return the columns."""
        return {
            name: Column(
                name,
                frozenset(values.kinds),
                frozenset(values.keys),
                values.has_image_parts,
                values.rows,
            )
            for name, values in self._values.items()
        }

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns as JSON values for `schema_from_json`."""
        return [
            {
                "name": column.name,
                "kinds": sorted(column.kinds),
                "keys": sorted(column.keys),
                "has_image_parts": column.has_image_parts,
                "rows": column.rows,
            }
            for column in self.schema().values()
        ]


def schema_from_json(columns: Iterable[Mapping[str, Any]]) -> Schema:
    """Read what `SchemaBuilder.to_json` returned."""
    return {
        column["name"]: Column(
            **{
                **column,
                "kinds": frozenset(column["kinds"]),
                "keys": frozenset(column["keys"]),
            }
        )
        for column in columns
    }


def value_kind(value: Any) -> Kind | None:
    """Return the kind of a value; None for null and for an empty list."""
    kind = VALUE_KINDS.get(type(value))
    if kind is not None or value is None:
        return kind
    if isinstance(value, Mapping):
        return "image" if is_stored_image(value) else "object"
    if not isinstance(value, list):
        return "other"
    kinds: set[Kind] = {kind for item in value if (kind := value_kind(item)) is not None}
    if not kinds:
        return None
    (first, *others) = kinds
    return "list" if others else LIST_KINDS.get(first, "list")


def is_stored_image(value: Mapping[str, Any]) -> bool:
    """Return whether an object is an image as `datasets` stores it."""
    return bool(value) and value.keys() <= {"bytes", "path"}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            yield item


def _has_image_part(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(part, Mapping) and part.get("type") in IMAGE_PART_TYPES for part in content
    )
