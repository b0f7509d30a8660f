"""The job's pulse and its ear: one thread that says "still here" and looks for requests."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Self

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.liveness import ENDED, STARTING, own_status, write_status

BEAT = 2.0
"""Seconds between heartbeats."""
LISTEN = 0.5
"""Seconds between two looks at the requests."""


class Heartbeat:
    """Keeps `status.json` fresh while it is entered, and says at the end that the job has ended.

    `stop_event` is set when any stop is requested, for a job to wait on.
    """

    def __init__(self, run: RunDirectory, *, seconds: float = BEAT) -> None:
        self._run = run
        self._seconds = seconds
        self._status = own_status(time.time())
        self._phase = STARTING
        self._request: control.Request | None = None
        self._terminated = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)
        self.stop_event = threading.Event()

    def __enter__(self) -> Self:
        self._listen()
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()
        self._phase = ENDED
        self._beat()

    @property
    def request(self) -> control.Request | None:
        """The strongest request so far, at most `LISTEN` seconds old. Reads no file."""
        return "stop" if self._terminated else self._request

    def enter_phase(self, name: str) -> None:
        """Show this phase from the next look on."""
        self._phase = name

    def terminate(self) -> None:
        """Take a signal as a request to stop now. Safe in a signal handler: it takes no lock."""
        self._terminated = True

    def _live(self) -> None:
        due = time.monotonic() + self._seconds
        complained = False
        while not self._closed.wait(min(LISTEN, self._seconds)):
            try:
                self._listen()
                if time.monotonic() >= due or self._phase != self._status.phase:
                    due = time.monotonic() + self._seconds
                    self._beat()
            except OSError as error:
                # The job may still be able to save its work; it must not end over its pulse.
                if not complained:
                    sys.stderr.write(f"The heartbeat cannot be written: {error}\n")
                complained = True

    def _listen(self) -> None:
        self._request = control.pending_request(self._run)
        if self.request is not None:
            self.stop_event.set()

    def _beat(self) -> None:
        self._status = replace(self._status, heartbeat=time.time(), phase=self._phase)
        write_status(self._run, self._status)
