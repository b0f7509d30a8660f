"""Replace a file or folder atomically: a reader sees the old content or the new, never part."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that replaces `target` when the block ends without an error.

    Its content is on the disk before it gets its name. Until then `target` is unchanged; after an
    error the new folder is deleted.
    """
    draft = target.with_name(f".{target.name}.new")
    replaced = target.with_name(f".{target.name}.old")
    shutil.rmtree(draft, ignore_errors=True)
    if not target.exists() and replaced.exists():
        replaced.replace(target)  # a process was killed between the two renames below
    draft.mkdir(parents=True)
    try:
        yield draft
        sync_all(draft)
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            target.replace(replaced)
        draft.replace(target)
        sync(target.parent)
    except BaseException:
        if not target.exists() and replaced.exists():
            replaced.replace(target)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(replaced, ignore_errors=True)
