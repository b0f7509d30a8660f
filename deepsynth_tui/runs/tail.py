"""Read a file that another process appends to, from an offset, without keeping it open.

A file that shrank or was replaced is read from its start again. A file that does not exist (yet,
or any more) has nothing new.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISREG

from deepsynth_tui.runs.events import Event, parse_event, unreadable_event

BATCH = 65536
"""Default maximum of bytes that one poll reads."""
LONGEST_LINE = 1 << 24
"""Bytes after which an unfinished line is returned in pieces, to bound the memory it takes."""


class FileTail:
    """Bytes appended to `path` since the last read."""

    def __init__(self, path: Path, *, start: int = 0, last: int | None = None) -> None:
        """Start at an offset, or `last` bytes before the current end."""
        self._path = path
        self._file: tuple[int, int] | None = None
        self.offset = start
        self.size = 0
        self.restarts = 0
        if last is not None and path.exists():
            stat = path.stat()
            self._file = (stat.st_dev, stat.st_ino)
            self.offset = max(0, stat.st_size - last)

    def read(self, max_bytes: int) -> bytes:
        """Return at most `max_bytes` new bytes, b"" if there are none.

        `size` is that of the file at that time. `restarts` counts how often reading started over
        because the file shrank or was replaced.
        Raises OSError if the file exists but cannot be read.
        """
        try:
            # O_NONBLOCK: opening a pipe in place of the file would block.
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        try:
            stat = os.fstat(file)
            if not S_ISREG(stat.st_mode):
                raise OSError(errno.EINVAL, "is not a file", str(self._path))
            now = (stat.st_dev, stat.st_ino)
            if (self._file is not None and now != self._file) or stat.st_size < self.offset:
                self.offset = 0
                self.restarts += 1
            self._file, self.size = now, stat.st_size
            data = os.pread(file, max_bytes, self.offset)
        finally:
            os.close(file)
        self.offset += len(data)
        return data


class LineTail:
    """Complete lines appended to `path` since the last poll.

    The offset is always at the start of the unfinished line, so a writer may cut off a torn line,
    as `EventLog` does.
    """

    def __init__(self, path: Path, *, start: int = 0, last: int | None = None) -> None:
        """Start at the line at an offset, or with the first that starts in the `last` bytes."""
        # One byte earlier: if it is a newline, the line after it is complete.
        self._tail = FileTail(path, start=start, last=None if last is None else last + 1)
        self._mid_line = last is not None and self._tail.offset > 0

    @property
    def offset(self) -> int:
        """Bytes of the file that were returned or skipped."""
        return self._tail.offset

    @property
    def unread(self) -> int:
        """Bytes behind them at the last poll, an unfinished line included."""
        return max(0, self._tail.size - self._tail.offset)

    def poll(self, max_bytes: int = BATCH) -> list[bytes]:
        """Return complete lines without their newline, about `max_bytes` at most; [] if there are
        none yet. A longer line is returned whole."""
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

    def __init__(self, path: Path, *, start: int = 0, last: int | None = None) -> None:
        """Start at the event at an offset, or with the first that starts in the `last` bytes."""
        self._lines = LineTail(path, start=start, last=last)

    @property
    def offset(self) -> int:
        """Bytes of the log that were returned or skipped."""
        return self._lines.offset

    @property
    def unread(self) -> int:
        """Bytes behind them at the last poll, an unfinished line included."""
        return self._lines.unread

    def poll(self, max_bytes: int = BATCH) -> list[Event]:
        """Return up to `max_bytes` of events, unknown kinds included; [] if there are none yet, so
        that `while events := tail.poll()` reads all. A complete line that cannot be parsed becomes
        an event of kind `UNREADABLE`."""
        return [parse_event(line) or unreadable_event(line) for line in self._lines.poll(max_bytes)]
