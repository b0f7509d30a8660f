"""Which column holds the text of a document, and which the answer."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from deepsynth_tui.dataset.errors import ColumnError

# Names that columns of text have in the data sets people use, the plainest first.
TEXT_NAMES = (
    "text", "content", "document", "article", "body", "passage", "markdown", "transcription",
    "story", "report", "abstract", "context", "review",
)  # fmt: skip
ID_NAME = "id"


def choose_text_column(columns: Sequence[str], wanted: str | None) -> str:
    """Return the column to draw: `wanted`, else the first well-known name, else the only one.

    Raises `ColumnError` where `wanted` does not exist or nothing can be chosen.
    """
    if wanted is not None:
        return require_column(columns, wanted, "source.text_column")
    by_folded = {column.casefold(): column for column in reversed(columns)}
    for name in TEXT_NAMES:
        if name in by_folded:
            return by_folded[name]
    if len(columns) == 1:
        return columns[0]
    raise ColumnError(
        "none of the columns has a name that usually means text",
        f"Set source.text_column to one of: {', '.join(columns)}.",
        "source.text_column",
    )


def require_column(columns: Sequence[str], wanted: str, key: str) -> str:
    """Return `wanted`, a column set as `key`. Raises `ColumnError` naming those that exist."""
    if wanted in columns:
        return wanted
    near = difflib.get_close_matches(wanted, columns, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise ColumnError(
        f"there is no column {wanted!r}", f"{hint}Columns: {', '.join(columns) or 'none'}.", key
    )


def find_id_column(columns: Sequence[str]) -> str | None:
    """Return the column with the documents' own names, where there is one."""
    return next((column for column in columns if column.casefold() == ID_NAME), None)
