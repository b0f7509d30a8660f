"""Connections between the owner of a run and processes on other nodes. Standard library only.

Anybody on the network may connect to the owner, so the first line has to hold its token.
"""

from __future__ import annotations

import hmac
import os
import socket
from dataclasses import dataclass

from deepsynth_tui.training.ranks.protocol import HelloMessage, decode, encode

OWNER_VARIABLE = "DEEPSYNTH_OWNER"
"""Environment variable with the `Address` of the owner, for the processes that it starts."""
HELLO_SECONDS = 30.0
HELLO_BYTES = 4096
CONNECT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the owner of a run listens, and the token that it takes."""

    host: str
    port: int
    token: str

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Return the address that `to_text` wrote."""
        host, port, token = text.split(" ")
        return cls(host, int(port), token)

    def to_text(self) -> str:
        """Return the address as the value of an environment variable."""
        return f"{self.host} {self.port} {self.token}"


def connect(address: Address, *, node: str, rank: int | None = None) -> int:
    """Connect to the owner and return the descriptor of the connection. Raises OSError."""
    connection = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    connection.settimeout(None)
    keep_alive(connection)
    hello = HelloMessage(address.token, node, rank, os.getpid())
    connection.sendall(encode(hello).encode())
    return connection.detach()


def keep_alive(connection: socket.socket) -> None:
    """Have the kernel notice within two minutes that the other host is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if option := getattr(socket, name, None):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def read_hello(connection: socket.socket, token: str) -> HelloMessage | None:
    """Return the first message of a connection; None if it is not one of this run."""
    try:
        hello = decode(read_first_line(connection))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(hello, HelloMessage) or not is_token(hello.token, token):
        return None
    return hello


def read_first_line(connection: socket.socket) -> str:
    """Return the first line of a connection, which anybody may have opened.

    Raises OSError or ValueError: it does not come, is no text, or is too long.
    """
    connection.settimeout(HELLO_SECONDS)
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)  # what follows belongs to the next reader
        if not byte or len(line) > HELLO_BYTES:
            raise ValueError("no line")
        line += byte
    connection.settimeout(None)
    return line.decode()


def is_token(given: object, token: str) -> bool:
    """Return whether `given` is the token, in the same time for every text."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(), token.encode())
