"""Build checkpoints on first use instead of shipping them; they are kept in the cache folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.runs.private_folder import make_private


def build_cached(version: str, write: Callable[[Path], None]) -> Path:
    """Return the cache folder `version`, filled by `write` if it does not exist yet.

    Several processes may call this at once: each writes to a temporary folder, the first to rename
    it wins, and the others discard theirs.

    Raises:
        OSError: the cache folder cannot be written.
    """
    folder = cache_dir() / "builtin" / version
    if folder.is_dir():
        return folder
    make_private(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder.parent))
    try:
        write(temporary)
        temporary.chmod(0o755)  # mkdtemp creates a private folder; a cache may be shared
        temporary.replace(folder)
    except OSError:
        # `replace` fails if the folder is not empty: another process was first.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
