"""Messages between the owner of a run and a machine that joins it by hand, over one connection.

JSON lines: the machine introduces itself and is let in or refused, starts an agent at each
`StartMessage`, sends what that prints, and may ask to leave.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from deepsynth_tui.training.ranks.meeting import Meeting


@dataclass(frozen=True, slots=True)
class Installation:
    """What has to be the same on all machines of a run: the SHA-256 of its configuration, the
    versions of packages, and whether there are GPUs."""

    config: str
    packages: Mapping[str, str]
    has_gpus: bool


@dataclass(frozen=True, slots=True)
class JoinMessage:
    """The first message of a machine. `proof` is the name of a file that it has created in the run
    folder, `token` that of the run."""

    token: str
    node: str
    pid: int
    installation: Installation
    proof: str


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """The machine may not join: what is wrong, and what to do."""

    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class WelcomeMessage:
    """The machine has joined a run on this many nodes."""

    nodes: int


@dataclass(frozen=True, slots=True)
class StartMessage:
    """The machine is to run an agent."""

    meeting: Meeting


@dataclass(frozen=True, slots=True)
class ConsoleMessage:
    """A line that the agent has printed."""

    line: str


@dataclass(frozen=True, slots=True)
class AgentEndedMessage:
    """The agent has ended with this exit code, -N for signal N, which is not 0."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class LeaveMessage:
    """The machine leaves as soon as there is a checkpoint."""


@dataclass(frozen=True, slots=True)
class EndMessage:
    """The last message of the owner: how the run has ended, or that the machine may leave."""

    verdict: Literal["completed", "stopped", "failed", "left"]
    message: str = ""


JoiningMessage = (
    JoinMessage
    | RefusedMessage
    | WelcomeMessage
    | StartMessage
    | ConsoleMessage
    | AgentEndedMessage
    | LeaveMessage
    | EndMessage
)


def encode(message: JoiningMessage) -> str:
    """Return a message as a JSON line."""
    return json.dumps({"type": type(message).__name__, **asdict(message)}) + "\n"


def send(connection: socket.socket, message: JoiningMessage) -> None:
    """Send a message. Raises OSError."""
    connection.sendall(encode(message).encode())


def parse(line: str) -> JoiningMessage:
    """Return the message of a line. Raises ValueError, KeyError or TypeError if it is none."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise TypeError(line)
    match fields.pop("type"):
        case "JoinMessage":
            installation = Installation(**fields.pop("installation"))
            return JoinMessage(installation=installation, **fields)
        case "RefusedMessage":
            return RefusedMessage(**fields)
        case "WelcomeMessage":
            return WelcomeMessage(**fields)
        case "StartMessage":
            return StartMessage(Meeting(**fields["meeting"]))
        case "ConsoleMessage":
            return ConsoleMessage(**fields)
        case "AgentEndedMessage":
            return AgentEndedMessage(**fields)
        case "LeaveMessage":
            return LeaveMessage()
        case "EndMessage":
            return EndMessage(**fields)
        case other:
            raise ValueError(other)


def messages(connection: socket.socket) -> Iterator[JoiningMessage]:
    """Yield messages until the other side is gone."""
    with contextlib.suppress(OSError), connection.makefile(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield parse(line)
