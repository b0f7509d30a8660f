"""Messages between the owner of a run and its ranks, over one pipe in each direction, or over a
connection where the rank is on another node.

Ranks send JSON lines: events to record, and how the rank ended. The launcher sends requests, one
word per line, on stdin; when that pipe closes, the launcher is gone and the rank exits.
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

_READ_BYTES = 4096  # writes to a pipe up to this size are atomic (PIPE_BUF)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event to record; `kind` and `fields` are those of `runs.events`."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """The rank failed. `lost_contact` is true when it only lost its connection to another rank,
    which knows the reason."""

    failure: Failure
    lost_contact: bool


@dataclass(frozen=True, slots=True)
class FinishedMessage:
    """The rank finished. `results` are those of the run and come from the first rank only."""

    verdict: str
    results: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HelloMessage:
    """The first message on a connection: a node, or a rank on it. `token` is the owner's."""

    token: str
    node: str
    rank: int | None
    pid: int


@dataclass(frozen=True, slots=True)
class NodeEndedMessage:
    """All ranks of a node have exited. `exits` pairs the pid and exit code of those that failed by
    their rank; `killed_for_memory` is what the kernel of the node says about each pid."""

    exits: dict[str, tuple[int, int]]
    killed_for_memory: dict[str, bool | None]


Message = EventMessage | FailedMessage | FinishedMessage | HelloMessage | NodeEndedMessage


def encode(message: Message) -> str:
    """Return a message as a JSON line. Paths become strings, torch and numpy scalars numbers."""
    fields = {"type": type(message).__name__, **asdict(message)}
    return json.dumps(fields, default=_to_json) + "\n"


def decode(line: str) -> Message:
    """Return the message that `encode` wrote."""
    fields = json.loads(line)
    match fields.pop("type"):
        case "EventMessage":
            return EventMessage(**fields)
        case "FailedMessage":
            return FailedMessage(Failure(**fields["failure"]), fields["lost_contact"])
        case "HelloMessage":
            return HelloMessage(**fields)
        case "NodeEndedMessage":
            return NodeEndedMessage(**fields)
        case _:
            return FinishedMessage(**fields)


class MessageWriter:
    """Sends the messages of a rank. Serves as the `Events` of its `Job`."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            OSError: the launcher is gone.
        """
        with self._lock:
            self._file.write(encode(message))

    def write(self, kind: str, /, **fields: object) -> None:
        """Send an event for the launcher to record."""
        self.send(EventMessage(kind, fields))


class NullEvents:
    """The `Events` of all ranks but the first, whose events stand for the whole run."""

    def write(self, kind: str, /, **fields: object) -> None:
        """Discard the event."""


class RequestReader:
    """Reads the requests of the launcher. Serves as the heartbeat of a rank's `Job`; the launcher
    writes status.json."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._request: Request | None = None
        self.stop_event = threading.Event()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    @property
    def request(self) -> Request | None:
        """The last request, None before the first."""
        return self._request

    def enter_phase(self, name: str) -> None:
        """Do nothing: the launcher reads the phase from the event."""

    def _read(self) -> None:
        # Not through sys.stdin: exit() crashes while a thread holds its lock.
        while words := os.read(self._fd, _READ_BYTES):
            for word in words.decode().split():
                self._request = next(request for request in REQUESTS if request == word)
                self.stop_event.set()
        try:
            sys.stderr.write("The process that owns this run is gone, so this one ends.\n")
        finally:  # stderr may be a pipe to that process
            os._exit(1)  # the main thread may hang in a collective operation


def _to_json(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value.item()
