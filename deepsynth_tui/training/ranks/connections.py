"""Connections of the agents and ranks on several nodes to the process that owns their run."""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.ranks.connection import keep_alive, read_hello
from deepsynth_tui.training.ranks.exit_reasons import RESUME, rank_name, unreported_exit
from deepsynth_tui.training.ranks.protocol import (
    EventMessage,
    FailedMessage,
    FinishedMessage,
    HelloMessage,
    NodeEndedMessage,
    decode,
)
from deepsynth_tui.training.ranks.record import Exited, Inbox, Rank, Vanished

VAIN_RESTARTS = 3
"""How often a run that loses a node is started again without having written a checkpoint."""
END_SECONDS = 10.0
"""How long the process that starts the agents may take to end."""


@dataclass
class NodeRank:
    """A rank on a node, and its connection."""

    rank: int
    node: str | None
    pid: int
    connection: socket.socket
    last_message: FinishedMessage | FailedMessage | None = None
    killed_for_memory: bool | None = None


@dataclass
class Connections:
    """Accepts the connections of nodes and ranks, and reads what they report."""

    listener: socket.socket
    token: str
    inbox: Inbox = field(default_factory=queue.Queue)
    ranks: dict[int, NodeRank] = field(default_factory=dict)
    _open: list[socket.socket] = field(default_factory=list)

    def accept(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def send(self, request: Request) -> bool:
        """Forward a request to the first rank; return whether it is connected."""
        first = self.ranks.get(0)
        if first is None:
            return False
        with contextlib.suppress(OSError):  # it has just ended
            first.connection.sendall(f"{request}\n".encode())
        return True

    def close(self) -> None:
        """Close all connections, which ends ranks and agents."""
        with contextlib.suppress(OSError):  # macOS: a listener is not connected
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self.listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):  # it has ended before
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            hello = read_hello(connection, self.token)
            if hello is None:
                return
            self._open.append(connection)
            keep_alive(connection)
            if hello.rank is None:
                self._serve_node(hello, connection)
            else:
                self._serve_rank(hello.rank, hello, connection)

    def _serve_rank(self, number: int, hello: HelloMessage, connection: socket.socket) -> None:
        rank = NodeRank(number, hello.node, hello.pid, connection)
        self.ranks[number] = rank
        is_last = False
        for message in _messages(connection):
            is_last = isinstance(message, FinishedMessage | FailedMessage)
            self.inbox.put((rank, message))
        if is_last:
            self.inbox.put((rank, Exited(0)))
        else:  # the agent of its node knows more
            name = f"{rank_name(number, hello.node)} (pid {hello.pid})"
            text = f"{name} is gone and gave no reason"
            advice = f"The end of {_log_of(number)} may tell. {RESUME}"
            self.inbox.put((rank, Vanished(Failure("RankEnded", text, advice))))

    def _serve_node(self, hello: HelloMessage, connection: socket.socket) -> None:
        has_ended = False
        for message in _messages(connection):
            has_ended = True
            if isinstance(message, NodeEndedMessage):
                for text, (_, exit_code) in message.exits.items():
                    if rank := self.ranks.get(int(text)):
                        rank.killed_for_memory = message.killed_for_memory[text]
                        self.inbox.put((rank, Exited(exit_code)))
            else:
                self.inbox.put((None, message))
        if not has_ended:
            text = f"Node {hello.node} is gone, or its process (pid {hello.pid}) was killed"
            failure = Failure("NodeLost", text, f"Look whether it is up. {RESUME}")
            self.inbox.put((None, Vanished(failure, is_node=True)))


@contextlib.contextmanager
def agents(
    command: Sequence[str], environment: Mapping[str, str], connections: Connections
) -> Iterator[None]:
    """Run meanwhile the process that starts the agents, or is the agent of this machine."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
    )
    threading.Thread(target=_report_end, args=(process, connections.inbox), daemon=True).start()
    try:
        yield
    finally:
        connections.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def explain_exit(rank: Rank, exit_code: int) -> Failure:
    """Explain the exit of a rank that sent no last message."""
    assert isinstance(rank, NodeRank)
    killed = rank.killed_for_memory
    return unreported_exit(rank.rank, rank.pid, exit_code, node=rank.node, killed_for_memory=killed)


def _report_end(process: subprocess.Popen[bytes], inbox: Inbox) -> None:
    code = process.wait()
    text = f"The process that starts the ranks has ended before them, with status {code}"
    inbox.put((None, Vanished(Failure("NodeLost", text, f"console.log may tell why. {RESUME}"))))


def _messages(
    connection: socket.socket,
) -> Iterator[EventMessage | FailedMessage | FinishedMessage | NodeEndedMessage]:
    """Yield messages until the other side is gone."""
    with contextlib.suppress(OSError), connection.makefile(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and not isinstance(message := decode(line), HelloMessage):
                yield message


def _log_of(rank: int) -> str:
    return f"logs/rank-{rank}.log" if rank else "console.log"
