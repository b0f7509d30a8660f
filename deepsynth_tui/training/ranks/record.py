"""Record what the ranks of a run report, forward requests, and find out which one failed first."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.job import Failure, Job, JobFailed
from deepsynth_tui.training.ranks.exit_reasons import with_rank
from deepsynth_tui.training.ranks.protocol import (
    EventMessage,
    FailedMessage,
    FinishedMessage,
    Message,
)

POLL_SECONDS = 0.2
"""How often the owner of a run looks for a request."""
BLAME_SECONDS = 10.0
"""How long to wait for the rank that knows why, after another one lost its connection to it."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of a rank has exited; `exit_code` is -N for signal N."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """A rank, or all ranks of a node, ended without a message. `failure` holds unless something
    better is reported within `BLAME_SECONDS`."""

    failure: Failure
    is_node: bool = False


class NodeLost(JobFailed):
    """A node is gone. `has_checkpoint`: this start of the run has written one."""

    def __init__(self, failure: Failure, *, has_checkpoint: bool) -> None:
        super().__init__(failure)
        self.has_checkpoint = has_checkpoint


class Rank(Protocol):
    """A rank as its owner sees it. `node` is None on the machine of the owner."""

    rank: int
    node: str | None
    last_message: FinishedMessage | FailedMessage | None


Report = Message | Exited | Vanished
Inbox = queue.Queue[tuple[Rank | None, Report]]


def record_reports(
    job: Job,
    inbox: Inbox,
    *,
    send: Callable[[Request], bool],
    explain_exit: Callable[[Rank, int], Failure],
    request_of_node: Callable[[], Request | None] = lambda: None,
) -> str:
    """Record events and forward requests until the first rank has exited; return its verdict.

    `send` forwards a request to the first rank and returns whether it is there to get it. A request
    of the user goes before one of a node.

    Raises:
        NodeLost: a node is gone.
        JobFailed: a rank failed, with the reason of the rank that caused it.
    """
    lost_node, has_checkpoint = False, False
    forwarded: Request | None = None
    lost_contact: tuple[float, Failure] | None = None  # when to give up waiting for the reason
    while True:
        request = job.stop_requested() or request_of_node()
        if request and request != forwarded and send(request):
            forwarded = request
        if lost_contact and request == "requeue":
            return "stopped"  # the nodes end because one of them is taken away
        if lost_contact and time.monotonic() > lost_contact[0]:
            if lost_node:
                raise NodeLost(lost_contact[1], has_checkpoint=has_checkpoint)
            raise JobFailed(lost_contact[1])
        try:
            rank, report = inbox.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        match report:
            case EventMessage(kind, fields):
                if kind == "phase":
                    job.heartbeat.enter_phase(fields["name"])
                has_checkpoint = has_checkpoint or kind == "checkpoint"
                job.events.write(kind, **fields)
            case FailedMessage(failure, only_lost_contact):
                if rank is not None:
                    rank.last_message = report
                    failure = with_rank(failure, rank.rank, rank.node)
                if not only_lost_contact:
                    raise JobFailed(failure)
                lost_contact = lost_contact or (time.monotonic() + BLAME_SECONDS, failure)
            case Vanished(failure, is_node):
                # Better than a rank which only lost its connection; a node explains its ranks.
                if is_node or not lost_node:
                    lost_contact = (time.monotonic() + BLAME_SECONDS, failure)
                lost_node = lost_node or is_node
            case FinishedMessage() if rank is not None:
                rank.last_message = report
            case Exited(exit_code) if rank is not None:
                if rank.last_message is None or exit_code < 0:
                    raise JobFailed(explain_exit(rank, exit_code))
                if rank.rank == 0 and isinstance(rank.last_message, FinishedMessage):
                    job.result(**rank.last_message.results)
                    return rank.last_message.verdict
            case _:
                raise AssertionError(report)
