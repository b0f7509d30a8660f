"""What an export wrote, and what the format could not hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

MAX_NAMED_ROWS = 100
MAX_NAMED_IN_WARNING = 8


class Destination(NamedTuple):
    """Where the rows of a split go: into `folder`, as `split` of a dataset called `dataset`."""

    folder: Path
    dataset: str
    split: str


@dataclass(slots=True)
class LeftOut:
    """The number of rows left out for one reason, and the first of their ids."""

    rows: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, row_id: str) -> None:
        """Count a row."""
        self.rows += 1
        if len(self.first) < MAX_NAMED_ROWS:
            self.first.append(row_id)


@dataclass(slots=True)
class ExportReport:
    """Counts of an export.

    `rows_read` are those of the dataset, `written` counts the rows of each split that were written.
    `left_out` has the rows that the format cannot hold, by reason; `changes` counts rows that were
    written without a part of them, by what is missing.
    """

    rows_read: int = 0
    images: int = 0
    written: Counter[str] = field(default_factory=Counter)
    left_out: defaultdict[str, LeftOut] = field(default_factory=lambda: defaultdict(LeftOut))
    changes: Counter[str] = field(default_factory=Counter)

    def warnings(self) -> Iterator[str]:
        """Yield a sentence for each reason for which rows were left out or changed."""
        for reason, left_out in self.left_out.items():
            named = ", ".join(left_out.first[:MAX_NAMED_IN_WARNING])
            more = left_out.rows - min(len(left_out.first), MAX_NAMED_IN_WARNING)
            named += f" and {more} more" if more else ""
            yield f"left out {left_out.rows} of {self.rows_read} rows, {reason}: {named}"
        for change, rows in self.changes.items():
            yield f"{rows} rows: {change}"

    def to_json(self) -> dict[str, Any]:
        """Return all counts in JSON types."""
        return {
            "rows_read": self.rows_read,
            "images": self.images,
            "written": dict(self.written),
            "left_out": {
                reason: {"count": left_out.rows, "first_rows": left_out.first}
                for reason, left_out in self.left_out.items()
            },
            "changes": dict(self.changes),
        }
