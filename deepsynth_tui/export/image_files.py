"""Write the images of rows as files, with their stored bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_images(folder: Path, stem: str, images: Sequence[tuple[bytes, str]]) -> list[str]:
    """Write `images`, bytes and suffixes, into `folder` and return the names of their files.

    The name of an only image is `stem`; several are numbered from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, (data, suffix) in enumerate(images, start=1):
        name = f"{stem}{suffix}" if len(images) == 1 else f"{stem}-{number}{suffix}"
        (folder / name).write_bytes(data)
        names.append(name)
    return names


def row_stem(row: int) -> str:
    """Return the name of the files of row number `row` of a split, in the order of the rows."""
    return f"{row:08d}"
