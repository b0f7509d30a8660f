"""Ranks and whole jobs in forked processes: the libraries are imported already."""

from __future__ import annotations

import os
import signal
import socket
import traceback
from collections.abc import Callable

from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.training.ranks import rank
from deepsynth_tui.training.ranks.protocol import EventMessage, Message, decode
from deepsynth_tui.training.result import verify  # noqa: F401


def fork(work: Callable[[], object]) -> int:
    """Do `work` in a child process, which then exits with 0, or 1 after an exception."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the end of this process
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


class ForkedRank:
    """A rank, and what it has said; the test takes the place of the owner."""

    def __init__(
        self, run: RunDirectory, number: int, count: int, meeting: socket.socket, *, resume: bool
    ) -> None:
        hears, speaks = os.pipe()
        listens, orders = os.pipe()

        def work() -> None:
            os.close(hears)
            os.close(orders)
            os.dup2(listens, 0)
            os.environ |= {
                "RANK": str(number),
                "LOCAL_RANK": str(number),
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(meeting.getsockname()[1]),
            }
            given = [str(run.path), "--reports", str(speaks)]
            given += ["--listen", str(meeting.fileno())] if number == 0 else []
            rank.main([*given, *(["--resume"] if resume else [])])

        self.pid = fork(work)
        os.close(speaks)
        os.close(listens)
        self._orders = orders
        self._reports = os.fdopen(hears, encoding="utf-8")
        self.said: list[Message] = []

    def tell(self, request: Request) -> None:
        """Hand a request down."""
        os.write(self._orders, f"{request}\n".encode())

    def hear(self, wanted: Callable[[Message], bool]) -> Message:
        """Read on until it says something that is wanted."""
        for line in self._reports:
            self.said.append(decode(line))
            if wanted(self.said[-1]):
                return self.said[-1]
        raise AssertionError(f"rank {self.pid} ended after {self.said[-3:]}")

    def end(self) -> Message:
        """Read what else it says, wait until it is gone, and return its last words."""
        self._collect()
        return self.said[-1]

    def kill(self) -> None:
        """End it where it stands."""
        if not self._reports.closed:
            os.kill(self.pid, signal.SIGKILL)
            self._collect()

    def _collect(self) -> None:
        if not self._reports.closed:
            self.said += map(decode, self._reports)
            self._reports.close()
            os.close(self._orders)
            os.waitpid(self.pid, 0)

    @property
    def losses(self) -> dict[int, float]:
        """What it said of each step; of one that was taken twice, the last."""
        told = [one.fields for one in self.said if isinstance(one, EventMessage)]
        return {one["step"]: one["loss"] for one in told if {"loss", "step"} <= one.keys()}


class Started:
    """Starts ranks, and leaves none behind."""

    def __init__(self) -> None:
        self._all: list[ForkedRank] = []

    def __call__(self, run: RunDirectory, *, resume: bool = False) -> list[ForkedRank]:
        """The two ranks of a run."""
        with socket.create_server(("127.0.0.1", 0), backlog=2) as meeting:
            pair = [ForkedRank(run, number, 2, meeting, resume=resume) for number in range(2)]
        self._all += pair
        return pair

    def kill(self) -> None:
        """End those that have not ended."""
        for one in self._all:
            one.kill()
