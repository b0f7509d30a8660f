"""The folder of page features of one model, and the room that all of them may take.

An entry is written under a temporary name and renamed, so that a reader sees all of it or nothing;
two jobs that write the same entry write the same bytes. A checksum in each entry finds what a power
cut or a disk has damaged: such an entry is deleted, and the page is encoded again. The lock of a
folder is shared by the jobs that use it, and only a folder without users is deleted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from deepsynth_tui.config.locations import cache_dir
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.lock import WITHOUT_LOCKS
from deepsynth_tui.training.features.entry import DamagedEntry, PageFeatures, read, to_bytes

MAX_SHARE = 0.5
"""Share of the space that all page features may take, of what is free without them."""
UNUSED_SECONDS = 30 * 24 * 3600
"""Features of a model that no run has used for this long are deleted."""
_SUFFIX, _LOCK = ".safetensors", "lock"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def features_dir() -> Path:
    """Return the folder that holds the page features of all models."""
    return cache_dir() / "page-features"


class FeatureStore:
    """Entries of one model by the hash of a page, in a folder that this process keeps in use.

    `is_full` says whether an entry could not be written for lack of space.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_full = False
        self._lock: int | None = _use(folder)
        self._delete_temporary_files()

    def close(self) -> None:
        """Give up the folder, which another run may then delete."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_lock": None}  # a DataLoader worker reads only

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Return the keys without an entry, and mark the entries of the others as used."""
        absent = []
        for key in keys:
            try:
                os.utime(self._path(key))
            except FileNotFoundError:
                absent.append(key)
        return absent

    def read(self, key: str) -> PageFeatures | None:
        """Return an entry, None if there is none.

        Raises:
            DamagedEntry: it could not be read, and is deleted.
        """
        path = self._path(key)
        try:
            return read(path)
        except FileNotFoundError:
            return None
        except DamagedEntry:
            path.unlink(missing_ok=True)
            raise

    def write(self, key: str, features: PageFeatures) -> bool:
        """Write an entry. Return False if the disk is full."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.replace(path, to_bytes(features))
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            self.is_full = True
            return False
        return True

    def entry_bytes(self, key: str) -> int:
        """Return the size of the file of an entry."""
        return self._path(key).stat().st_size

    def make_room(self, needed: int, keys: Iterable[str]) -> int:
        """Delete what was used longest ago until `needed` bytes fit; return the room that there is.

        Features of other models go first, then entries of this one that are not among `keys`.
        Nothing goes that another job uses.
        """
        root = self.folder.parent
        for folder in _unused_folders(root, older_than=time.time() - UNUSED_SECONDS):
            _delete_folder(folder)
        if room(root) < needed:
            for folder in _unused_folders(root):
                if folder != self.folder and room(root) < needed:
                    _delete_folder(folder)
        if room(root) < needed and self._is_sole_user():
            kept = {self._path(key) for key in keys}
            unneeded = (path for path in self._entries() if path not in kept)
            for path in sorted(unneeded, key=lambda path: path.stat().st_mtime):
                path.unlink(missing_ok=True)
                if room(root) >= needed:
                    break
        return room(root)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{_SUFFIX}"

    def _entries(self) -> Iterator[Path]:
        return self.folder.glob(f"*/*{_SUFFIX}")

    def _delete_temporary_files(self) -> None:
        """Delete what processes that were killed have left; a live one needs a second at most."""
        for path in self.folder.glob("*/.*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > 3600:
                    path.unlink()

    def _is_sole_user(self) -> bool:
        if self._lock is None:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        return True


def _use(folder: Path) -> int:
    """Return the open lock file of a folder that no other job deletes until it is closed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # deleted meanwhile
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
            os.utime(folder / _LOCK)
            if os.path.samestat(os.fstat(file), (folder / _LOCK).stat()):
                return file
        except FileNotFoundError:
            pass  # deleted while this process waited for the lock
        except OSError as error:
            if error.errno in WITHOUT_LOCKS:
                return file
            raise
        os.close(file)


def room(root: Path) -> int:
    """Return the bytes that page features may still take on their disk; negative if too many do."""
    used = sum(size for _, size in _files(root))
    return int(MAX_SHARE * (shutil.disk_usage(root).free + used)) - used


def _files(root: Path) -> Iterator[tuple[Path, int]]:
    for path in root.rglob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            yield path, path.stat().st_size


def _unused_folders(root: Path, *, older_than: float | None = None) -> list[Path]:
    """Return the folders of models, those used longest ago first."""
    locks = []
    for path in root.glob(f"*/{_LOCK}"):
        with contextlib.suppress(FileNotFoundError):
            used = path.stat().st_mtime
            if older_than is None or used < older_than:
                locks.append((used, path.parent))
    return [folder for _, folder in sorted(locks)]


def _delete_folder(folder: Path) -> None:
    """Delete a folder unless a job uses it."""
    try:
        file = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or a file system without locks
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(file)
