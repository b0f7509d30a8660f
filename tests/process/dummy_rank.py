"""A rank without PyTorch: `python dummy_rank.py BEHAVIOUR RUN_PATH --messages FD ...`.

Each rank first sends its pid.
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

BEHAVIOUR, _, _, MESSAGE_FD, *_ = sys.argv[1:]
RANK = int(os.environ["RANK"])
LOST_CONTACT = FailedMessage(
    Failure("RuntimeError", "[gloo] Connection closed by peer", "see the log"), True
)


def obeys(writer: MessageWriter, requests: RequestReader) -> None:
    """Wait for a request and report which it was."""
    if RANK == 0:
        requests.stop_event.wait()
        writer.write("warning", message=f"received {requests.request}")
        writer.send(FinishedMessage("stopped", {"path": "adapter"}))
    else:
        sys.stdout.write("a word\nanother")
        writer.send(FinishedMessage("stopped", {}))


def hangs(writer: MessageWriter, requests: RequestReader) -> None:
    """Never end."""
    threading.Event().wait()


def fails_second(writer: MessageWriter, requests: RequestReader) -> None:
    """The first rank reports a lost connection before the second reports its own failure."""
    if RANK == 0:
        writer.send(LOST_CONTACT)
    else:
        requests.stop_event.wait(1)
        writer.send(
            FailedMessage(Failure("TrainingError", "The loss became nan", "lower it"), False)
        )


def out_of_memory(writer: MessageWriter, requests: RequestReader) -> None:
    """The second rank runs out of memory and knows what would help."""
    if RANK == 0:
        threading.Event().wait()
    changes = {"training.per_device_train_batch_size": 1}
    failure = Failure("OutOfMemoryError", "The GPU is full", "less", changes)
    writer.send(FailedMessage(failure, False))


def killed(writer: MessageWriter, requests: RequestReader) -> None:
    """The second rank is killed after the first has reported a lost connection."""
    if RANK == 0:
        writer.send(LOST_CONTACT)
        threading.Event().wait()
    os.kill(os.getpid(), signal.SIGSEGV)


def exits(writer: MessageWriter, requests: RequestReader) -> None:
    """The second rank exits without a last message."""
    if RANK == 0:
        threading.Event().wait()


if __name__ == "__main__":
    writer = MessageWriter(int(MESSAGE_FD))
    writer.send(EventMessage("phase", {"name": "training", "rank": RANK, "pid": os.getpid()}))
    globals()[BEHAVIOUR](writer, RequestReader(sys.stdin.fileno()))
