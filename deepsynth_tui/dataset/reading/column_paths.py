"""Paths to nested values, such as `doc.text` and `answers.text.0`.

A column whose name is the whole path comes first; otherwise each part is a key of an object or the
position in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_NESTED_COLUMNS = 200
"""Objects that map ids to values have any number of keys; no more are listed."""


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Return the value of the column or at the path, None if there is none."""
    return values[path] if path in values else _nested(values, path.split("."))


def longest_prefix(names: Iterable[str], path: str) -> str | None:
    """Return the longest of `names` that `path` equals or continues, None if there is none."""
    prefixes = (name for name in names if path == name or path.startswith(f"{name}."))
    return max(prefixes, key=len, default=None)


def iter_nested(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and value of each value nested in objects, not lists, below `name`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            path = f"{name}.{key}"
            yield path, item
            yield from iter_nested(path, item)


def is_in_list(kinds: Mapping[str, str], path: str) -> bool:
    """Return whether the path leads into a list, whose items no declaration of columns names."""
    prefix = longest_prefix(kinds, path)
    return prefix is not None and kinds[prefix].casefold().startswith(
        ("list", "large_list", "fixed_size_list", "sequence")
    )


def _nested(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, Mapping):
        # Keys may contain dots: the longest that leads to a value.
        for count in range(len(parts), 0, -1):
            item = _nested(value.get(".".join(parts[:count])), parts[count:])
            if item is not None:
                return item
    elif isinstance(value, list) and parts[0].isdecimal() and int(parts[0]) < len(value):
        return _nested(value[int(parts[0])], parts[1:])
    return None
