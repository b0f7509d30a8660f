"""What a text can be completed to: names, paths, columns. Pure but for reading folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

MAX_ENTRIES = 5000
"""Entries of a folder that are looked at."""


def complete_name(text: str, names: Sequence[str]) -> list[str]:
    """Return the names that begin with `text`; none if `text` is empty or one of them.

    A whole name is not completed to a longer one: Tab leaves its field.
    """
    if not text or text in names:
        return []
    return [name for name in names if name.startswith(text)]


def complete_path(text: str) -> list[str]:
    """Return the paths that begin with `text`, folders with a slash at the end, in order.

    `~` stays as it was typed. Names that begin with a dot are offered once the dot is typed. Empty
    if the text is a whole path, so that Tab leaves its field, or begins with no folder that can be
    read.
    """
    head, separator, start = text.rpartition("/")
    if not start or start in (".", "..") or (start == "~" and not separator):
        return []
    folder = Path(f"{head}{separator}").expanduser() if separator else Path()
    matches = []
    try:
        if (folder / start).exists():
            return []
        with os.scandir(folder) as entries:
            for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
                if entry.name.startswith(start):
                    matches.append(f"{entry.name}/" if entry.is_dir() else entry.name)
    except OSError:
        return []
    hidden = start.startswith(".")
    return [
        f"{head}{separator}{name}" for name in sorted(matches) if hidden or not name.startswith(".")
    ]


def complete_placeholder(text: str, columns: Sequence[str]) -> list[str]:
    """Return `text` with the `{column` at its end completed, for each column that fits."""
    before, brace, start = text.rpartition("{")
    if not brace or "}" in start or before.endswith("{"):
        return []
    return [f"{before}{{{column}}}" for column in columns if column.startswith(start)]
