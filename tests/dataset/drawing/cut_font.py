"""Small fonts for tests: some letters of a larger one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

hb: Any = importlib.import_module("uharfbuzz")


def cut(source: Path, target: Path, text: str) -> None:
    """Write a font at `target` that has the letters of `text` alone."""
    wanted = hb.SubsetInput()
    wanted.unicode_set.update(map(ord, text))
    target.parent.mkdir(parents=True, exist_ok=True)
    face = hb.Face(hb.Blob.from_file_path(source))
    target.write_bytes(hb.subset(face, wanted).blob.data)
