"""Folders that only their owner can enter."""

from __future__ import annotations

import stat
from pathlib import Path

PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Create `folder` and the missing folders above it for their owner only.

    A folder that exists keeps its permissions: somebody may share it on purpose. Raises OSError.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_private(folder.parent)
    folder.mkdir(mode=PRIVATE, exist_ok=True)


def writable_by_others(folder: Path) -> bool:
    """Return whether other users than its owner may create files in `folder`."""
    try:
        return bool(folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    except FileNotFoundError:
        return False
