"""Replace a file atomically: a reader sees the old content or the new, never part of it."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def replace(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write `data` beside `path` under a temporary name, then rename it over `path`.

    `durable` flushes the bytes to disk before the rename and the folder after it, so that the new
    content survives a power cut. Raises OSError (disk full, folder gone, no permission) and leaves
    no temporary file behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def sync_all(folder: Path) -> None:
    """Flush all files and folders in a folder to disk. Raises OSError."""
    for path in (folder, *folder.rglob("*")):
        sync(path)


def sync(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to disk. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
