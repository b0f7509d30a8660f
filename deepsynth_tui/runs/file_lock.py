"""Locks of the queue: flock(2) on a file, which ends with the last process that has it open.

A lock can be inherited: the launcher of a process takes it and passes the descriptor on, so that
there is no moment without an owner. The lock of a run, which does not need locks of the file
system, is in `lock`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.private_folder import make_private

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class NoLocks(RunError):
    """The file system has no locks, or the lock file cannot be created."""


class FileLock:
    """A lock that this process holds. Forked children close their copy of it."""

    def __init__(self, file: int) -> None:
        self.file = file
        _held.add(self)

    def close(self) -> None:
        """Leave the lock to the processes that have inherited it; without any, it is free."""
        if self in _held:
            _held.remove(self)
            os.close(self.file)


_held: set[FileLock] = set()


def try_lock(path: Path) -> FileLock | None:
    """Take the lock at `path`; None if another process holds it. Raises NoLocks."""
    return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it meanwhile. Raises NoLocks."""
    held = _lock(path, fcntl.LOCK_EX)
    assert held is not None  # it waits
    try:
        yield
    finally:
        held.close()


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock at `path`."""
    if not path.exists():
        return False
    held = _lock(path, fcntl.LOCK_SH | fcntl.LOCK_NB)
    if held is not None:
        held.close()
    return held is None


def inherited(variable: str) -> list[FileLock]:
    """Return the locks whose descriptors the environment `variable` names, and remove it."""
    locks: list[FileLock] = []
    for text in os.environ.pop(variable, "").split(","):
        try:
            os.set_inheritable(int(text), False)
        except (ValueError, OSError):  # no number, or no descriptor of this process
            continue
        locks.append(FileLock(int(text)))
    return locks


def _lock(path: Path, operation: int) -> FileLock | None:
    try:
        make_private(path.parent)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NoLocks(
            f"Cannot create {path}: {error.strerror or error}", "Make the folder writable"
        ) from error
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError as error:
        os.close(file)
        if error.errno not in WITHOUT_LOCKS:
            raise
        raise NoLocks(
            f"The file system of {path.parent} has no locks, which the queue needs",
            "Set DEEPSYNTH_HOME to a folder on a local disk",
        ) from error
    return FileLock(file)


def _close_in_child() -> None:
    for held in _held:
        os.close(held.file)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
