"""The lines between the process that owns a run and its ranks.

Up go JSON lines: events to record, and how the rank ended. Down go requests, a word each; when
that line closes, the owner is gone, and the rank ends too.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.runs.control import REQUESTS, Request
from deepsynth_tui.runs.job import Failure

_MOST = 4096  # bytes of requests at once; a pipe takes so many whole (PIPE_BUF)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event to record, in the words of `runs.events`."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """The rank failed. `lost_contact`: only because it lost another one, which knows the reason."""

    failure: Failure
    lost_contact: bool


@dataclass(frozen=True, slots=True)
class FinishedMessage:
    """The rank has done its part. `results` are those of the run, from the first rank only."""

    verdict: str
    results: dict[str, Any]


Message = EventMessage | FailedMessage | FinishedMessage


def encode(said: Message) -> str:
    """One line. Paths are written as text, scalars of torch and numpy as numbers."""
    return json.dumps({"said": type(said).__name__, **asdict(said)}, default=_plain) + "\n"


def decode(line: str) -> Message:
    """What `encode` wrote."""
    fields = json.loads(line)
    match fields.pop("said"):
        case "EventMessage":
            return EventMessage(**fields)
        case "Failed":
            return FailedMessage(Failure(**fields["failure"]), fields["lost_contact"])
        case _:
            return FinishedMessage(**fields)


class MessageWriter:
    """A rank's end of the line up. As the events of a Job it sends every one to the owner."""

    def __init__(self, file: int) -> None:
        self._line = os.fdopen(file, "w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def send(self, said: Message) -> None:
        """Raises OSError when the owner is gone."""
        with self._lock:
            self._line.write(encode(said))

    def write(self, kind: str, /, **fields: object) -> None:
        """Let the owner record an event."""
        self.send(EventMessage(kind, fields))


class NullEvents:
    """The events of the other ranks: what they do, the first one says."""

    def write(self, kind: str, /, **fields: object) -> None:
        """Say nothing."""


class RequestReader:
    """A rank's end of the line down, as the pulse of its Job: the owner keeps the status."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._request: Request | None = None
        self.stop_event = threading.Event()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    @property
    def request(self) -> Request | None:
        """The last request."""
        return self._request

    def enter_phase(self, name: str) -> None:
        """The owner reads it off the event."""

    def _listen(self) -> None:
        # Read from the file itself: a thread that holds a lock of sys.stdin makes exit() crash.
        while words := os.read(self._file, _MOST):
            for word in words.decode().split():
                self._request = next(request for request in REQUESTS if request == word)
                self.stop_event.set()
        try:
            sys.stderr.write("The process that owns this run is gone, so this one ends.\n")
        finally:  # what a rank prints may have gone through the owner
            os._exit(1)  # the main thread may be inside a step that waits for another rank


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value.item()
