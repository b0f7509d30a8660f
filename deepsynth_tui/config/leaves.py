"""The values in nested sections, by dotted key."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any


def leaves(
    values: Mapping[str, Any], prefix: str = "", depth: int = 2, *, fields: Container[str] = ()
) -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) down to `depth` levels, entering sections but not fields.

    `fields` are top-level keys that are not sections even if their value is a mapping.
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and depth > 1 and key not in fields:
            yield from leaves(value, f"{prefix}{key}.", depth - 1)
        else:
            yield f"{prefix}{key}", value
