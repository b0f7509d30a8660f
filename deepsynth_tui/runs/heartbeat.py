"""The heartbeat thread of a job: it keeps `status.json` fresh and looks for stop requests."""

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

HEARTBEAT_SECONDS = 2.0
"""Seconds between heartbeats."""
REQUEST_POLL_SECONDS = 0.5
"""Seconds between two looks for requests."""


class Heartbeat:
    """Keeps `status.json` fresh while entered, and writes at the end that the job has ended.

    Attributes:
        stop_event: Set when a stop is requested, so that a job can wait for it.
        last_phase: Phase that is written at the end.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        seconds: float = HEARTBEAT_SECONDS,
        seq_before: int | None = None,
    ) -> None:
        self._run = run
        self._seconds = seconds
        self._status = own_status(time.time(), seq_before=seq_before)
        self._phase = STARTING
        self._request: control.Request | None = None
        self._terminated = False
        self._evicted = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="heartbeat", daemon=True)
        self.stop_event = threading.Event()
        self.last_phase = ENDED

    def __enter__(self) -> Self:
        self._read_request()
        self._write_status()
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
        self._phase = self.last_phase
        self._write_status(durable=True)

    @property
    def request(self) -> control.Request | None:
        """The strongest request so far, at most `REQUEST_POLL_SECONDS` old. Reads no file."""
        if self._terminated or self._request == "stop":
            return "stop"
        return "requeue" if self._evicted else self._request

    def enter_phase(self, name: str) -> None:
        """Write this phase into the status at the next poll."""
        self._phase = name

    def terminate(self) -> None:
        """Treat a signal as a request to stop now. Takes no lock, as a signal handler must not."""
        self._terminated = True

    def evict(self) -> None:
        """Treat a signal of Slurm, which takes the nodes back, as a request to end and go on in
        another process. Takes no lock."""
        self._evicted = True

    def _loop(self) -> None:
        due = time.monotonic() + self._seconds
        reported = False
        while not self._closed.wait(min(REQUEST_POLL_SECONDS, self._seconds)):
            try:
                self._read_request()
                if time.monotonic() >= due or self._phase != self._status.phase:
                    due = time.monotonic() + self._seconds
                    self._write_status()
            except OSError as error:
                # The job may still be able to save its work, so a failed heartbeat must not end it.
                if not reported:
                    sys.stderr.write(f"Cannot write the heartbeat: {error}\n")
                reported = True

    def _read_request(self) -> None:
        self._request = control.pending_request(self._run)
        if self.request is not None:
            self.stop_event.set()

    def _write_status(self, *, durable: bool = False) -> None:
        self._status = replace(self._status, heartbeat=time.time(), phase=self._phase)
        write_status(self._run, self._status, durable=durable)
