"""Sanitize the output of a job: nothing in it can move a cursor, set a title or a colour.

The raw bytes stay in `console.log`. A screen gets printable lines; of a progress bar drawn with
carriage returns, only the last state.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from deepsynth_tui.runs.tail import BATCH, FileTail
from deepsynth_tui.terminal_text import is_harmless, remove_escapes, remove_hidden

MAX_CHARACTERS = 2000
"""Characters of a line that are shown, followed by the number of further ones."""
_RAW_LIMIT = 1 << 14
"""Raw characters of a line that are kept for sanitizing; the rest is only counted."""


def sanitize(line: str) -> str:
    """Return `line` as a terminal would show it in the end, in printable characters only.

    Of text overwritten by carriage returns, the last visible state remains. Backspaces delete.
    Escape sequences, control characters and marks that reorder text are removed, tabs become
    spaces. Text longer than `MAX_CHARACTERS` is cut, followed by the number of characters cut.
    """
    buffer = _Line()
    buffer.feed(line)
    return buffer.text()


class ConsoleTail:
    """Lines printed since the last poll, sanitized."""

    def __init__(self, path: Path, *, last: int | None = None) -> None:
        """Start at the beginning, or with the first line that starts in the `last` bytes."""
        self._tail = FileTail(path, last=None if last is None else last + 1)
        self._mid_line = self._tail.offset > 0
        self.skipped = self._tail.offset
        """Bytes before the start, which are not shown."""
        self._reset()

    @property
    def unfinished(self) -> str:
        """The line that is still being written, such as a progress bar, in its current state."""
        return "" if self._mid_line else self._line.text()

    def poll(self, max_bytes: int = BATCH) -> list[str]:
        """Return lines completed since the last poll, about `max_bytes` at most; [] if there are
        none yet, so that `while lines := tail.poll()` reads all."""
        while data := self._read(max_bytes):
            if lines := self._take(data):
                return lines
        return []

    def _read(self, max_bytes: int) -> bytes:
        restarts = self._tail.restarts
        data = self._tail.read(max_bytes)
        if self._tail.restarts > restarts:
            self._mid_line = False
            self._reset()
        return data

    def _take(self, data: bytes) -> list[str]:
        *completed, rest = self._decoder.decode(data).split("\n")
        lines: list[str] = []
        for part in completed:
            if self._line.is_empty and len(part) <= MAX_CHARACTERS and is_harmless(part):
                text = "" if part.isspace() else part  # as `_Line` returns it, for most lines
            else:
                self._line.feed(part)
                text = self._line.text()
                self._line = _Line()
            if not self._mid_line:
                lines.append(text)
            self._mid_line = False
        self._line.feed(rest)
        return lines

    def _reset(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = _Line()


class _Line:
    """A line that arrives in pieces; the result does not depend on how it is divided."""

    def __init__(self) -> None:
        self._overwritten = ""
        self._raw = ""
        self._dropped = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was fed."""
        return not (self._raw or self._overwritten or self._dropped)

    def feed(self, piece: str) -> None:
        first, *states = piece.split("\r")
        self._add(first)
        for state in states:
            self._overwritten = self.text()
            self._raw, self._dropped = "", 0
            self._add(state)

    def text(self) -> str:
        visible = _visible(self._raw)
        more = max(0, len(visible) - MAX_CHARACTERS) + self._dropped
        if not visible.strip() and not more:
            return self._overwritten
        return visible[:MAX_CHARACTERS] + (f" … (+{more} characters)" if more else "")

    def _add(self, piece: str) -> None:
        room = _RAW_LIMIT - len(self._raw)
        self._raw += piece[:room]
        self._dropped += max(0, len(piece) - room)


def _visible(raw: str) -> str:
    if is_harmless(raw):
        return raw
    text = remove_escapes(raw)
    if "\b" in text:
        text = _strike(text)
    return remove_hidden(text.replace("\n", "")).expandtabs(8)


def _strike(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
