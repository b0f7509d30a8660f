"""Reads a run's console no faster than a screen can show it; lines left out are counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.console import ConsoleTail
from deepsynth_tui.runs.tail import FileTail

INITIAL_BYTES = 1 << 19
"""Bytes at the end of the file that the first poll reads."""
FLOOD_BYTES = 1 << 18
"""New bytes in one poll above which only the last `FLOOD_KEPT_BYTES` are read."""
FLOOD_KEPT_BYTES = 1 << 17
MAX_LINES = 2000
"""Most lines that a poll returns, except the first, which may return `INITIAL_MAX_LINES`."""
INITIAL_MAX_LINES = 5000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ConsoleLines:
    """Result of a poll.

    Attributes:
        lines: Complete lines.
        skipped: Number of lines left out before them.
        unfinished: The line still being written, such as a progress bar.
    """

    lines: tuple[str, ...] = ()
    skipped: int = 0
    unfinished: str = ""


class ConsoleFeed:
    """Polls the console of one run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail: ConsoleTail | None = None
        self._offset = 0

    def poll(self) -> ConsoleLines:
        """Return what was printed since the last poll, up to the limits above."""
        is_first = self._tail is None
        if is_first:
            skipped = self._skip_ahead(INITIAL_BYTES, INITIAL_BYTES)
        else:
            skipped = self._skip_ahead(FLOOD_BYTES, FLOOD_KEPT_BYTES)
        tail = self._tail
        if tail is None:
            return ConsoleLines()
        size = _size(self._path)
        lines = tail.poll(size - self._offset) if size > self._offset else []
        self._offset = size
        dropped = max(0, len(lines) - (INITIAL_MAX_LINES if is_first else MAX_LINES))
        return ConsoleLines(tuple(lines[dropped:]), skipped + dropped, tail.unfinished)

    def _skip_ahead(self, limit: int, keep: int) -> int:
        """Move to the last `keep` bytes if more than `limit` are new; return the lines skipped."""
        size = _size(self._path)
        if size < self._offset:  # truncated or replaced: the tail restarts as well
            self._offset = 0
        if self._tail is not None and size - self._offset <= limit:
            return 0
        if self._tail is None and size == 0:
            return 0
        before, self._tail = self._offset, ConsoleTail(self._path, last=keep)
        self._offset = self._tail.skipped
        # The line in which the new offset lies is skipped as well.
        if self._offset > before:
            return _count_newlines(self._path, before, self._offset) + 1
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _count_newlines(path: Path, start: int, end: int) -> int:
    """Return the number of newlines in the bytes `start`..`end` of a file."""
    tail = FileTail(path)
    tail.offset = start
    count = 0
    while tail.offset < end and (data := tail.read(min(_CHUNK, end - tail.offset))):
        count += data.count(b"\n")
    return count
