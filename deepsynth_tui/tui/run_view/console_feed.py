"""A run's console at the pace of a screen: what comes faster is counted, not shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs.console import ConsoleTail
from deepsynth_tui.runs.tail import FileTail

HISTORY = 1 << 19
"""Bytes of the console's end that are read at first."""
FLOOD = 1 << 18
"""Bytes in one tick above which only the newest `KEPT` are read."""
KEPT = 1 << 17
MOST_LINES = 2000
"""Lines that one tick hands out, save the first, which may bring `HISTORY_LINES`."""
HISTORY_LINES = 5000
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class ConsoleLines:
    """What one tick brought: whole lines, how many before them are not shown, and the line that
    is still being written."""

    lines: tuple[str, ...] = ()
    skipped: int = 0
    unfinished: str = ""


class ConsoleFeed:
    """Reads the console of one run, a tick at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail: ConsoleTail | None = None
        self._seen = 0

    def poll(self) -> ConsoleLines:
        """What was printed since the last call, as much of it as a screen can use."""
        first = self._tail is None
        skipped = self._jump(HISTORY if first else FLOOD, HISTORY if first else KEPT)
        tail = self._tail
        if tail is None:
            return ConsoleLines()
        size = _size(self._path)
        lines = tail.poll(size - self._seen) if size > self._seen else []
        self._seen = size
        dropped = max(0, len(lines) - (HISTORY_LINES if first else MOST_LINES))
        return ConsoleLines(tuple(lines[dropped:]), skipped + dropped, tail.unfinished)

    def _jump(self, limit: int, keep: int) -> int:
        """Start again nearer to the end if more than `limit` is new; the lines left out."""
        size = _size(self._path)
        if size < self._seen:  # cut back or replaced: the tail begins again too
            self._seen = 0
        if self._tail is not None and size - self._seen <= limit:
            return 0
        if self._tail is None and size == 0:
            return 0
        before, self._tail = self._seen, ConsoleTail(self._path, last=keep)
        self._seen = self._tail.skipped
        # The line that the new start falls into is left out too.
        return _newlines(self._path, before, self._seen) + 1 if self._seen > before else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _newlines(path: Path, start: int, end: int) -> int:
    """Newlines in the bytes `start`..`end` of a file."""
    tail = FileTail(path)
    tail.offset = start
    count = 0
    while tail.offset < end and (data := tail.read(min(_PIECE, end - tail.offset))):
        count += data.count(b"\n")
    return count
