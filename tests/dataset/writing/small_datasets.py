"""Configurations and sources of small datasets, and the files to compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig

TINY: dict[str, Any] = {"width": 200, "height": 200, "margin": 8, "font_size": 16}


def config(source: Path, /, **changes: Any) -> DatasetConfig:
    """Return a configuration that draws `source` on tiny pages."""
    settings = {"path": str(source), **changes.pop("source", {})}
    return DatasetConfig.model_validate({"page": TINY, **changes, "source": settings})


def write(path: Path, texts: Mapping[str, str]) -> Path:
    """Write `texts`, by document id, to a JSONL file and return its path."""
    rows = (json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items())
    path.write_text("".join(rows), encoding="utf-8")
    return path


def numbered(count: int, text: str = "Document {}.") -> dict[str, str]:
    """Return `count` different documents, by id."""
    return {f"d{number}": text.format(number) for number in range(count)}


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in `folder`, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
