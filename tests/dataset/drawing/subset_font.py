"""Small fonts for tests: subsets of a larger font."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

hb: Any = importlib.import_module("uharfbuzz")


def subset(source: Path, target: Path, text: str) -> None:
    """Write a subset of the font `source` with the characters of `text` to `target`."""
    subset_input = hb.SubsetInput()
    subset_input.unicode_set.update(map(ord, text))
    target.parent.mkdir(parents=True, exist_ok=True)
    face = hb.Face(hb.Blob.from_file_path(source))
    target.write_bytes(hb.subset(face, subset_input).blob.data)
