"""What a long event log says, from parts of it: shown while the whole log is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepsynth_tui.runs.events import parse_event
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState

HEAD_BYTES, TAIL_BYTES = 1 << 16, 1 << 17
"""Bytes read at the start and at the end of the log."""
WINDOWS, WINDOW_BYTES = 256, 1 << 11
"""Parts read between them, at equal distances."""


def preview(log: Path, size: int) -> RunState:
    """Fold parts of the first `size` bytes of `log`, about 700 KiB whatever its size.

    Curves have gaps, and what is counted or listed is incomplete. Raises OSError.
    """
    state = RunState()
    with log.open("rb") as file:
        for start, length in _parts(size):
            file.seek(start)
            lines = file.read(length).split(b"\n")[1 if start else 0 : -1]
            state = fold(state, filter(None, map(parse_event, lines)))
    return state


def _parts(size: int) -> Iterator[tuple[int, int]]:
    yield 0, min(size, HEAD_BYTES)
    first, last = HEAD_BYTES, size - TAIL_BYTES
    for i in range(WINDOWS):
        start = first + (last - first) * i // WINDOWS
        yield start, min(WINDOW_BYTES, last - start)
    yield last, TAIL_BYTES
