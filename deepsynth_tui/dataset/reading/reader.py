"""The interface of source readers, which stream rows from a file, a folder or the Hub.

Every reader knows its columns when it is constructed. A row that cannot be read is yielded with the
reason; `SourceError`, which names the file, is for what makes all further rows unreadable. None
holds a whole file in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsynth_tui.config.problems import Notice
from deepsynth_tui.dataset.errors import UnreadableDocument

TEXT = "text"
# Kinds of files that nobody expects to be read.
HIDDEN = "hidden"
ABOUT = "about the dataset"
OF_SPLIT = "of split "


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a row or file cannot be read.

    `reason` is one of few, by which a report groups them; `detail` says where and what.
    """

    reason: str
    detail: str = ""
    advice: str = ""

    @classmethod
    def from_error(cls, error: UnreadableDocument) -> Unreadable:
        """Return what `error` says."""
        return cls(error.reason, error.detail, error.advice)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of a source.

    `location` is for people ("notes.csv:3"). `unreadable` is why its values could not be read.
    """

    location: str
    values: Mapping[str, Any]
    unreadable: Unreadable | None = None


class SourceReader(ABC):
    """Streams the rows of a source.

    Attributes:
        columns: The columns that may hold text, with paths to nested ones ("doc.text").
        kinds: The type of every column: `TEXT`, or the name that its format uses.
        contents: What the source holds and how it is read, in lines for people.
        notices: What was guessed and may be wrong.
        left_out: How many files, by suffix or type, were found and are not read.
        bytes_to_count: Size of the files that have to be read to know the number of rows.
    """

    columns: tuple[str, ...]
    kinds: Mapping[str, str]
    contents: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    left_out: Mapping[str, int] = {}
    bytes_to_count: int = 0

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[SourceRow]:
        """Yield all rows in order, with at least the values of `columns`. Raises `SourceError`."""

    @abstractmethod
    def count(self) -> int | None:
        """Return the number of rows if it is known without reading them."""


def left_out_text(left_out: Mapping[str, int]) -> str:
    """Return "3 .png, 1 FIFO"; empty if nothing was left out."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))


def unexpectedly_left_out(left_out: Mapping[str, int]) -> dict[str, int]:
    """Return what was left out without hidden files, other splits and dataset cards."""
    return {
        kind: count
        for kind, count in left_out.items()
        if kind not in (HIDDEN, ABOUT) and not kind.startswith(OF_SPLIT)
    }
