"""Checkpoints that are made on first use rather than shipped: folders in the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir


def build_cached(version: str, write: Callable[[Path], None]) -> Path:
    """Return the folder `version` in the cache, letting `write` fill it first if it is not there.

    Safe with several processes at once: each writes a folder of its own, the first to rename it
    wins, the others throw theirs away.

    Raises:
        OSError: the cache folder cannot be written.
    """
    folder = cache_dir() / "builtin" / version
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder.parent))
    try:
        write(draft)
        draft.chmod(0o755)  # mkdtemp makes it private; a cache may be shared
        draft.replace(folder)
    except OSError:
        # A folder that is not empty is never replaced: another process was first.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder
