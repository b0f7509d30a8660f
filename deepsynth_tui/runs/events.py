"""The event log: one JSON line per event, append-only.

Each line has `v` (format version), `seq` (1, 2, 3 ... over the life of the run, resumed or
not), `t` (seconds since the epoch), `kind`, and the fields of that kind. JSON has no NaN or
infinity: such a number is written as null and listed in the field `nonfinite`, for example
`{"kind": "metric", "step": 7, "loss": null, "nonfinite": {"loss": "nan"}}`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from deepsynth_tui.runs.identity import LAST_TIME

VERSION = 1
DURABLE = frozenset({"checkpoint", "error", "done"})
"""Kinds that are flushed to disk before the job continues."""
UNREADABLE = "unreadable"
"""Kind of the event that replaces a complete line that a reader cannot parse."""
_ENVELOPE = frozenset({"v", "seq", "t", "kind", "nonfinite"})
_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: `t` in seconds since the epoch, `data` the fields of its kind."""

    seq: int
    t: float
    kind: str
    data: Mapping[str, object]


def parse_event(line: bytes) -> Event | None:
    """Return the event in a complete line, or None if it is not one. Never raises."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    seq, t, kind = data.pop("seq", None), data.pop("t", None), data.pop("kind", None)
    if type(seq) is not int or type(t) not in (int, float) or type(kind) is not str:
        return None
    if not abs(t) < LAST_TIME:
        return None
    data.pop("v", None)
    return Event(seq, float(t), kind, data)


def unreadable_event(line: bytes) -> Event:
    """Return the event that replaces a line that cannot be parsed; `fold` counts these."""
    return Event(0, 0.0, UNREADABLE, {"excerpt": line[:200].decode(errors="replace")})


class EventLog:
    """The only writer of a run's events. Threads of the job may share it.

    Opening an existing log continues it: a last line torn by a kill is cut off, and `seq`
    continues.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        self._seq = _recover(self._file)
        self._torn_at: int | None = None
        self.kinds: set[str] = set()
        """Kinds of the events that were written since the log was opened."""

    @property
    def seq(self) -> int:
        """The number of the last event, 0 in an empty log."""
        return self._seq

    def write(self, kind: str, /, **fields: object) -> Event:
        """Append an event in a single write and return it as a reader will see it.

        Raises:
            OSError: It cannot be written completely (disk full). The log then ends with the line
                before.
            TypeError: JSON cannot represent a value.
            ValueError: A field has the name of an envelope field.
        """
        if reserved := _ENVELOPE & fields.keys():
            raise ValueError(f"{kind}: {', '.join(sorted(reserved))} cannot be the name of a field")
        nonfinite: dict[str, str] = {}
        data = {name: _to_json(value, name, nonfinite) for name, value in fields.items()}
        if nonfinite:
            data["nonfinite"] = nonfinite
        with self._lock:
            self._seq += 1
            event = Event(self._seq, time.time(), kind, data)
            content = {"v": VERSION, "seq": event.seq, "t": event.t, "kind": kind, **data}
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            # A lone surrogate has no UTF-8 encoding; its backslash escape is valid JSON.
            self._append(text.encode(errors="backslashreplace") + b"\n")
            if kind in DURABLE:
                os.fsync(self._file)
            self.kinds.add(kind)
        return event

    def close(self) -> None:
        """Close the file; writing afterwards raises OSError."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        self._cut_off_torn_line()  # of the write before, if the disk refused that then
        written = os.write(self._file, line)
        if written < len(line):
            self._torn_at = os.fstat(self._file).st_size - written
            self._cut_off_torn_line()
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: an event was not written")

    def _cut_off_torn_line(self) -> None:
        if self._torn_at is not None:
            os.ftruncate(self._file, self._torn_at)
            self._torn_at = None


def _to_json(value: object, name: str, nonfinite: dict[str, str]) -> object:
    """Return `value` as JSON types; non-finite numbers are added to `nonfinite` under `name`."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        nonfinite[name] = str(float(value))
        return None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _to_json(v, f"{name}.{k}", nonfinite) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(v, f"{name}.{i}", nonfinite) for i, v in enumerate(value)]
    # A scalar of numpy or torch, without importing either.
    if callable(item := getattr(value, "item", None)):
        return _to_json(item(), name, nonfinite)
    raise TypeError(f"{name}: an event cannot contain a {type(value).__name__}")


def last_seq(path: Path) -> int:
    """Return the number of the last event of a log; 0 if it is empty or does not exist."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return _last_seq(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def _recover(file: int) -> int:
    """Cut off a torn last line, and return the highest `seq` of the last lines that have one."""
    size = os.fstat(file).st_size
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)
    return _last_seq(file, end)


def _last_seq(file: int, end: int) -> int:
    """Return the highest `seq` of the last lines before `end` that have one, 0 if none has."""
    window = _BLOCK
    while True:
        start = max(0, end - window)
        lines = os.pread(file, end - start, start).split(b"\n")
        events = [event for line in lines if (event := parse_event(line))]
        if events or start == 0:
            return max((event.seq for event in events), default=0)
        window *= 4
