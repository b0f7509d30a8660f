"""Reads the event log of one run into its state, a bounded time per poll, however long the log is.

What was read of a long log is kept in `RunDirectory.folded`, where the next reader continues. While
more than `PREVIEWED_BYTES` are unread, the state is a preview, from parts of the log.
"""

from __future__ import annotations

import time

from deepsynth_tui.runs import folded_log
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.log_preview import preview
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.tail import EventTail

BATCH = 1 << 18
"""Bytes folded at once; the time of a poll is kept to within one batch."""
PREVIEWED_BYTES = 1 << 21
KEPT_BYTES = 1 << 21
"""Bytes read before the state is kept, and then half as many as the log is long."""


class StateReader:
    """The state of `run` after the events read so far. Not thread-safe.

    `is_behind`: the last poll ended for lack of time.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._state, self._kept = folded_log.load(run.folded, run.events)
        self._tail = EventTail(run.events, start=self._kept)
        self._preview: RunState | None = None
        self.is_behind = False

    @property
    def state(self) -> RunState:
        """The state, or a preview of it."""
        return self._state if self._preview is None else self._preview

    @property
    def percent_read(self) -> int | None:
        """How much of the log is read while the state is a preview, else None."""
        if self._preview is None:
            return None
        read = self._tail.offset
        return 100 * read // (read + self._tail.unread)

    def poll(self, seconds: float = float("inf")) -> None:
        """Read what was appended since the last poll, but not for longer than `seconds`.

        Raises OSError if the log cannot be read.
        """
        end = time.monotonic() + seconds
        self.is_behind = False
        while not self.is_behind and (events := self._tail.poll(BATCH)):
            self._state = fold(self._state, events)
            self.is_behind = time.monotonic() >= end
        if self._tail.unread < PREVIEWED_BYTES:
            self._preview = None
            self._keep()
        elif self._preview is None:
            self._preview = preview(self._run.events, self._tail.offset + self._tail.unread)

    def _keep(self) -> None:
        if self._tail.offset - self._kept >= KEPT_BYTES + self._kept // 2:
            self._kept = self._tail.offset
            folded_log.save(self._run.folded, self._run.events, self._kept, self._state)
