"""Make the Nth system call that writes fail, for every N, as SQLite's tests do.

`faults(...)` yields an injector for N = 1, 2, 3 ... until the operation makes fewer calls than N.
Only calls of this process on files under `root` count, so that libraries go on undisturbed.
`file_size_limit` makes the kernel fail the writes of libraries that are not written in Python.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CALLS = ("write", "fsync", "replace", "open", "mkdir", "ftruncate", "sendfile")
REMOVALS = ("unlink", "rmdir")
LIMIT = 500


class Injector:
    """While entered, fails call number `fail_at` with ENOSPC, once or from then on.

    `short` writes half of the bytes of that call instead, as a full disk does. `no_memory` raises
    MemoryError instead, as if an allocation had failed there.
    """

    def __init__(
        self, root: Path, fail_at: int, *, lasting: bool, short: bool, no_memory: bool = False
    ) -> None:
        self.root = str(root)
        self.fail_at = fail_at
        self.lasting = lasting
        self.short = short
        self.error = MemoryError if no_memory else no_space
        self.calls: list[str] = []
        self._active = False

    def __enter__(self) -> Injector:
        self._active = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._active = False

    @property
    def has_failed(self) -> bool:
        return len(self.calls) >= self.fail_at

    def fails(self, name: str) -> bool:
        """Count a call and return whether it fails."""
        if not self._active:
            return False
        self.calls.append(name)
        count = len(self.calls)
        return count >= self.fail_at if self.lasting else count == self.fail_at

    def is_counted(self, target: object, folder: int | None = None) -> bool:
        """Return whether `target`, a path or a descriptor, is under the root.

        A path may be relative to `folder`, a descriptor.
        """
        if folder is not None:
            target = folder
        if isinstance(target, int):
            try:
                target = Path(f"/proc/self/fd/{target}").readlink()
            except OSError:
                return False
        return str(target).startswith(self.root)


class CountedFile:
    """A file opened for writing, whose writes count."""

    def __init__(self, file: Any, injector: Injector) -> None:
        self._file = file
        self._injector = injector

    def write(self, data: Any) -> int:
        if self._injector.fails("write"):
            if self._injector.short:
                self._file.write(data[: len(data) // 2])
            raise self._injector.error()
        return self._file.write(data)

    def __enter__(self) -> CountedFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def faults(
    root: Path,
    *,
    lasting: bool = False,
    short: bool = False,
    no_memory: bool = False,
    calls: tuple[str, ...] = CALLS,
) -> Iterator[Injector]:
    """Yield injectors for N = 1, 2, 3 ...; enter each around the operation to test."""
    for number in range(1, LIMIT):
        injector = Injector(root, number, lasting=lasting, short=short, no_memory=no_memory)
        with pytest.MonkeyPatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, _counted(name, getattr(os, name), injector))
            counted_open = _counted_open(io.open, injector)
            patch.setattr(io, "open", counted_open)
            patch.setattr(builtins, "open", counted_open)
            yield injector
        if not injector.has_failed:
            assert number > 1, "the operation made no call that counts"
            return
    raise AssertionError(f"the operation makes more than {LIMIT} calls")


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: the kernel fails such writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _counted(name: str, call: Callable[..., Any], injector: Injector) -> Callable[..., Any]:
    def counted(target: Any, *arguments: Any, **options: Any) -> Any:
        is_reading = name == "open" and not arguments[0] & (os.O_WRONLY | os.O_RDWR)
        is_counted = injector.is_counted(target, options.get("dir_fd"))
        if not is_reading and is_counted and injector.fails(name):
            if injector.short and name == "write":
                return call(target, arguments[0][: len(arguments[0]) // 2])
            raise injector.error()
        return call(target, *arguments, **options)

    return counted


def _counted_open(call: Callable[..., Any], injector: Injector) -> Callable[..., Any]:
    def counted(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if "r" in mode or not injector.is_counted(file):
            return call(file, mode, *arguments, **options)
        if injector.fails("open"):
            raise injector.error()
        return CountedFile(call(file, mode, *arguments, **options), injector)

    return counted
