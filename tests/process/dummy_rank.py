"""A rank without PyTorch, in several ways: `python dummy_rank.py WAY RUN_PATH --reports FD ...`.

The first rank tells its pid, and those of the others, as they start.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from deepsynth_tui.runs.job import Failure
from deepsynth_tui.training.ranks.protocol import (
    EventMessage,
    FailedMessage,
    FinishedMessage,
    MessageWriter,
    RequestReader,
)

WAY, _, _, REPORTS, *_ = sys.argv[1:]
NUMBER = int(os.environ["RANK"])
LOST = FailedMessage(
    Failure("RuntimeError", "[gloo] Connection closed by peer", "see the log"), True
)


def obedient(reports: MessageWriter, orders: RequestReader) -> None:
    """Wait for a request, and say which it was."""
    if NUMBER == 0:
        orders.stop_event.wait()
        reports.write("warning", message=f"heard {orders.request}")
        reports.send(FinishedMessage("stopped", {"path": "adapter"}))
    else:
        sys.stdout.write("a word\nanother")
        reports.send(FinishedMessage("stopped", {}))


def deaf(reports: MessageWriter, orders: RequestReader) -> None:
    """Never end."""
    threading.Event().wait()


def contagious(reports: MessageWriter, orders: RequestReader) -> None:
    """The first one loses contact before the second, which is why, has said anything."""
    if NUMBER == 0:
        reports.send(LOST)
    else:
        orders.stop_event.wait(1)
        reports.send(
            FailedMessage(Failure("TrainingError", "The loss became nan", "lower it"), False)
        )


def full(reports: MessageWriter, orders: RequestReader) -> None:
    """The second runs out of memory, and knows what would help."""
    if NUMBER == 0:
        threading.Event().wait()
    changes = {"training.per_device_train_batch_size": 1}
    reports.send(
        FailedMessage(Failure("OutOfMemoryError", "The GPU is full", "less", changes), False)
    )


def lonely(reports: MessageWriter, orders: RequestReader) -> None:
    """The second is killed, and the first has said something already."""
    if NUMBER == 0:
        reports.send(LOST)
        threading.Event().wait()
    os.kill(os.getpid(), signal.SIGSEGV)


def silent(reports: MessageWriter, orders: RequestReader) -> None:
    """The second just ends."""
    if NUMBER == 0:
        threading.Event().wait()


if __name__ == "__main__":
    reports = MessageWriter(int(REPORTS))
    reports.send(EventMessage("phase", {"name": "training", "rank": NUMBER, "pid": os.getpid()}))
    globals()[WAY](reports, RequestReader(sys.stdin.fileno()))
