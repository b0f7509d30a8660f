"""Which machines have joined a run by hand, as its owner sees them."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.job import Failure
from deepsynth_tui.slurm.commands import node_name
from deepsynth_tui.training.ranks import join_protocol
from deepsynth_tui.training.ranks.connection import is_token, keep_alive, read_first_line
from deepsynth_tui.training.ranks.exit_reasons import RESUME
from deepsynth_tui.training.ranks.installation import difference, own_installation
from deepsynth_tui.training.ranks.join_protocol import (
    AgentEndedMessage,
    ConsoleMessage,
    EndMessage,
    JoiningMessage,
    JoinMessage,
    LeaveMessage,
    RefusedMessage,
    StartMessage,
    WelcomeMessage,
)
from deepsynth_tui.training.ranks.meeting import Meeting
from deepsynth_tui.training.ranks.protocol import FailedMessage
from deepsynth_tui.training.ranks.record import Inbox, Vanished

PROOF_SECONDS = 5.0
"""How long to look for the file that a machine has created in the run folder."""
_PROOF = re.compile(r"joining-[0-9a-f]{32}")


@dataclass
class Member:
    """A machine that has joined."""

    node: str
    pid: int
    connection: socket.socket
    is_leaving: bool = False

    def send(self, message: JoiningMessage) -> None:
        """Send a message; a machine that is gone is noticed elsewhere."""
        with contextlib.suppress(OSError):
            join_protocol.send(self.connection, message)


class Lobby:
    """Lets machines join until a run has its nodes, and sends them what to do.

    `others` is their number without the machine of the owner. `listener` is closed by `end`.
    """

    def __init__(
        self, run: RunDirectory, listener: socket.socket, token: str, *, others: int
    ) -> None:
        self._run = run
        self._listener = listener
        self._token = token
        self._others = others
        self._installation = own_installation(run)
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._inbox: Inbox | None = None

    @property
    def members(self) -> Sequence[Member]:
        """The machines that are there now."""
        with self._lock:
            return tuple(self._members)

    def missing(self) -> int:
        """Return how many machines are missing."""
        return self._others - len(self.members)

    def leaving(self) -> Sequence[Member]:
        """Return the machines that ask to leave."""
        return [member for member in self.members if member.is_leaving]

    def dismiss(self, members: Sequence[Member]) -> None:
        """Let machines go."""
        for member in members:
            self._remove(member)
            member.send(EndMessage("left"))

    def start(self, meeting: Meeting, inbox: Inbox) -> None:
        """Have all machines run an agent; `inbox` gets a report when one of them is gone."""
        with self._lock:
            self._inbox = inbox
        for member in self.members:
            member.send(StartMessage(meeting))

    def accept(self) -> None:
        """Accept machines until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def end(self, ending: EndMessage) -> None:
        """Tell all machines how the run has ended, and let nobody join any more."""
        with contextlib.suppress(OSError):  # macOS: a listener is not connected
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        for member in self.members:
            self._remove(member)
            member.send(ending)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                join = join_protocol.parse(read_first_line(connection))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return
            if not isinstance(join, JoinMessage) or not is_token(join.token, self._token):
                return
            keep_alive(connection)
            member = Member(join.node, join.pid, connection)
            if refused := self._refusal(join) or self._add(member):
                member.send(refused)
                return
            for message in join_protocol.messages(connection):
                match message:
                    case ConsoleMessage(line):
                        sys.stdout.write(f"{line}\n")
                    case AgentEndedMessage(exit_code):
                        self._report_agent(member, exit_code)
                    case LeaveMessage():
                        member.is_leaving = True
                    case _:
                        raise AssertionError(message)
            self._report_gone(member)

    def _refusal(self, join: JoinMessage) -> RefusedMessage | None:
        """Return why a machine does not fit this run, None if it does."""
        if refused := difference(self._installation, node_name(), join.installation, join.node):
            return refused
        proof, deadline = self._run.path / join.proof, time.monotonic() + PROOF_SECONDS
        while not (_PROOF.fullmatch(join.proof) and proof.exists()):
            if time.monotonic() > deadline:
                return RefusedMessage(
                    f"The folder of the run on {join.node} is not {self._run.path} of "
                    f"{node_name()}, but a copy",
                    "It must be on a disk that both share: all write checkpoints into it",
                )
            time.sleep(0.1)
        return None

    def _add(self, member: Member) -> RefusedMessage | None:
        """Add a machine, or return that the run has all of its nodes."""
        with self._lock:
            if len(self._members) >= self._others:
                nodes = ", ".join((node_name(), *(other.node for other in self._members)))
                return RefusedMessage(
                    f"{self._run.id} has all of its nodes: {nodes}",
                    "If one of them has just lost its power or network, try again in two minutes; "
                    "launch.nodes is their number",
                )
            member.send(WelcomeMessage(self._others + 1))  # before a StartMessage
            self._members.append(member)
            return None

    def _remove(self, member: Member) -> bool:
        """Remove a machine and return whether it was there."""
        with self._lock:
            was_there = member in self._members
            self._members = [other for other in self._members if other is not member]
            return was_there

    def _report_gone(self, member: Member) -> None:
        if self._remove(member) and self._inbox is not None:
            text = f"Node {member.node} is gone, or its process (pid {member.pid}) was killed"
            failure = Failure("NodeLost", text, f"Look whether it is up. {RESUME}")
            self._inbox.put((None, Vanished(failure, is_node=True)))

    def _report_agent(self, member: Member, exit_code: int) -> None:
        """Report an agent that ended by itself: maybe before it has connected to the owner."""
        if self._inbox is None:
            return
        text = f"The processes on node {member.node} have ended with status {exit_code}"
        failure = Failure("NodeLost", text, f"console.log may tell why. {RESUME}")
        was_killed = exit_code < 0
        report = Vanished(failure, is_node=True) if was_killed else FailedMessage(failure, False)
        self._inbox.put((None, report))
