"""The interface of source readers, which stream rows from a file, a folder or the Hub.

Every reader knows its columns when it is constructed and raises `SourceError`, naming the file and
the line, row or byte, for input that it cannot read. None holds a whole file in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

TEXT = "text"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a source.

    `location` is for people ("notes.csv:3"). `unreadable` is why its values could not be read.
    """

    location: str
    values: Mapping[str, Any]
    unreadable: str | None = None


class SourceReader(Protocol):
    """Streams the rows of a source."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that may hold text."""
        ...

    @property
    def kinds(self) -> Mapping[str, str]:
        """The type of every column: `TEXT`, or the name that its format uses."""
        ...

    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield all rows in order, with at least the values of `columns`."""
        ...

    def count(self, limit: int | None) -> int | None:
        """Return the number of rows, at most `limit`; None if unknown.

        May read, and so validate, that many rows.
        """
        ...


def at_most(limit: int | None, count: int) -> int:
    """Return `count`, or `limit` if that is less."""
    return count if limit is None else min(limit, count)
