"""The state at some place of a long event log, kept beside it: a later reader continues there.

It is only ever a copy of what the log says. One that is damaged, of another version, or does not
belong to the log as it is, counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.state_json import decode, encode

VERSION = 2
"""To be raised whenever `fold` makes another state of the same events."""
MAX_BYTES = 1 << 24
COMPARED_BYTES = 4096
"""Bytes of the log before the place, by which the state is recognized as that of this log."""


def save(path: Path, log: Path, offset: int, state: RunState) -> None:
    """Keep the state after the first `offset` bytes of `log` in the file `path`.

    Does nothing where the folder cannot be written: it may be somebody else's, or the disk full.
    """
    try:
        content = {"version": VERSION, "offset": offset, "before": _digest(log, offset)}
        data = json.dumps({**content, "state": encode(state)}, separators=(",", ":"))
        atomic.replace(path, data.encode(errors="backslashreplace"))
    except OSError:
        return


def load(path: Path, log: Path) -> tuple[RunState, int]:
    """Return the state kept in `path` and its offset in `log`; an empty one and 0 without it."""
    try:
        content = read_object(path, max_bytes=MAX_BYTES)
        values = Fields(content, path.name)
        offset = values.integer("offset")
        if values.integer("version") != VERSION or values.text("before") != _digest(log, offset):
            return RunState(), 0
        return decode(content.get("state")), offset
    except (OSError, BadContent):
        return RunState(), 0


def _digest(log: Path, offset: int) -> str:
    """Hash the bytes before `offset`. Raises BadContent if the log is shorter."""
    start = max(0, offset - COMPARED_BYTES)
    with log.open("rb") as file:
        if not start <= offset <= os.fstat(file.fileno()).st_size:
            raise BadContent("the log is shorter than that")
        file.seek(start)
        return hashlib.sha256(file.read(offset - start)).hexdigest()
