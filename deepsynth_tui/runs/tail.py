"""Read a file that another process appends to: an offset, and nothing held open.

A file that shrank or was replaced is read from its start again; one that is not there (yet, or
any more) has nothing new.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from deepsynth_tui.runs.events import Event, parse_event, unreadable_event

BATCH = 65536
"""Bytes read by one poll unless told otherwise."""
LONGEST_LINE = 1 << 24
"""Bytes after which an unfinished line is handed out in pieces, to bound the memory it takes."""


class FileTail:
    """Bytes appended to `path` since the last read."""

    def __init__(self, path: Path, *, last: int | None = None) -> None:
        """Start at the beginning, or `last` bytes before the present end."""
        self._path = path
        self._file: tuple[int, int] | None = None
        self.offset = 0
        self.restarts = 0
        if last is not None and path.exists():
            stat = path.stat()
            self._file = (stat.st_dev, stat.st_ino)
            self.offset = max(0, stat.st_size - last)

    def read(self, max_bytes: int) -> bytes:
        """At most `max_bytes` more, b"" when there is nothing new. Counts in `restarts` how often
        it had to begin again because the file shrank or became another. Raises OSError when the
        file is there but cannot be read."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        try:
            stat = os.fstat(file)
            now = (stat.st_dev, stat.st_ino)
            if (self._file is not None and now != self._file) or stat.st_size < self.offset:
                self.offset = 0
                self.restarts += 1
            self._file = now
            data = os.pread(file, max_bytes, self.offset)
        finally:
            os.close(file)
        self.offset += len(data)
        return data


class LineTail:
    """Complete lines appended to `path` since the last poll.

    The offset always stands at the start of the unfinished line, so that a writer which cuts a
    torn line off (`EventLog` does) never pulls the ground from under a reader.
    """

    def __init__(self, path: Path, *, last: int | None = None) -> None:
        """Start at the beginning, or with the first line that begins in the `last` bytes."""
        # One byte earlier: if that is a newline, the line after it is whole.
        self._tail = FileTail(path, last=None if last is None else last + 1)
        self._mid_line = self._tail.offset > 0

    @classmethod
    def from_end(cls, path: Path, n_bytes: int) -> Self:
        """A tail that begins with the first line that starts in the last `n_bytes`."""
        return cls(path, last=n_bytes)

    @property
    def offset(self) -> int:
        """Bytes of the file that were handed out or skipped."""
        return self._tail.offset

    def poll(self, max_bytes: int = BATCH) -> list[bytes]:
        """Complete lines without their newline, about `max_bytes` of them at most; [] when there
        is none yet. One longer line is returned whole."""
        while True:
            lines = self._complete(max_bytes)
            if lines and self._mid_line:
                self._mid_line = False
                del lines[0]
                if not lines:
                    continue
            return lines

    def _complete(self, max_bytes: int) -> list[bytes]:
        window = max_bytes
        while True:
            restarts = self._tail.restarts
            data = self._tail.read(window)
            if self._tail.restarts > restarts:
                self._mid_line = False
            end = data.rfind(b"\n")
            if end >= 0:
                self._tail.offset -= len(data) - end - 1
                return data[:end].split(b"\n")
            if len(data) >= LONGEST_LINE:
                return [data]
            self._tail.offset -= len(data)
            if len(data) < window:
                return []
            window *= 2


class EventTail:
    """Events appended to a run's log since the last poll."""

    def __init__(self, path: Path, *, last: int | None = None) -> None:
        """Start at the beginning, or with the first event that begins in the `last` bytes."""
        self._lines = LineTail(path, last=last)

    @property
    def offset(self) -> int:
        """Bytes of the log that were handed out or skipped."""
        return self._lines.offset

    def poll(self, max_bytes: int = BATCH) -> list[Event]:
        """Up to `max_bytes` of events, unknown kinds included; [] when there is none yet, so that
        `while events := tail.poll()` reads all there is. A complete line that cannot be parsed
        gives an event of kind `UNREADABLE`."""
        return [parse_event(line) or unreadable_event(line) for line in self._lines.poll(max_bytes)]
