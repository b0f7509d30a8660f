"""Find the columns of a source by name: text, id, and those that settings name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from deepsynth_tui.dataset.errors import ColumnError
from deepsynth_tui.dataset.reading.column_paths import is_in_list
from deepsynth_tui.dataset.reading.reader import TEXT

# Usual names of text columns in public datasets, most specific first.
TEXT_NAMES = (
    "text", "content", "document", "article", "body", "passage", "markdown", "transcription",
    "story", "report", "abstract", "context", "review", "txt",
)  # fmt: skip
ID_NAME = "id"


def choose_text_column(
    columns: Sequence[str], configured: str | None, kinds: Mapping[str, str]
) -> str:
    """Return the text column: `configured`, else the first usual name, else the only column.

    The last part of a path may be a usual name too. Raises `ColumnError` if `configured` does not
    exist or no column can be chosen.
    """
    if configured is not None:
        return require_column(columns, configured, "source.text_column", kinds)
    by_folded_name = {column.casefold(): column for column in reversed(columns)}
    by_last_part = {column.rpartition(".")[2].casefold(): column for column in reversed(columns)}
    for names in (by_folded_name, by_last_part):
        for name in TEXT_NAMES:
            if name in names:
                return names[name]
    if len(columns) == 1:
        return columns[0]
    raise ColumnError(
        "no column has one of the usual names of a text column",
        f"Set source.text_column to one of: {', '.join(columns)}.",
        "source.text_column",
    )


def require_column(columns: Sequence[str], name: str, key: str, kinds: Mapping[str, str]) -> str:
    """Return `name`, set under `key`.

    Raises `ColumnError`, listing `columns`, if it is neither one of them nor a path into a list,
    whose items have no declared columns.
    """
    if name in columns or (name not in kinds and is_in_list(kinds, name)):
        return name
    if name in kinds and kinds[name] != TEXT:
        nested = [column for column in columns if column.startswith(f"{name}.")]
        raise ColumnError(
            f"column {name!r} holds {kinds[name]}, not text",
            f"Choose {' or '.join(nested)}." if nested else f"Columns: {', '.join(columns)}.",
            key,
        )
    close = difflib.get_close_matches(name, columns, n=1)
    suggestion = f"Did you mean {close[0]}? " if close else ""
    raise ColumnError(
        f"there is no column {name!r}",
        f"{suggestion}Columns: {', '.join(columns) or 'none'}.",
        key,
    )


def find_id_column(columns: Sequence[str]) -> str | None:
    """Return the column with document ids, None if there is none."""
    return next((column for column in columns if column.casefold() == ID_NAME), None)
