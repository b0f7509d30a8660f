"""Run ranks and whole jobs in forked processes, where the libraries are imported already."""

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
    """Call `work` in a child process, which exits with 0, or 1 after an exception."""
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
    """A rank and its messages; the test takes the place of the launcher."""

    def __init__(
        self,
        run: RunDirectory,
        number: int,
        count: int,
        store_socket: socket.socket,
        *,
        resume: bool,
    ) -> None:
        message_read_fd, message_write_fd = os.pipe()
        request_read_fd, request_write_fd = os.pipe()

        def work() -> None:
            os.close(message_read_fd)
            os.close(request_write_fd)
            os.dup2(request_read_fd, 0)
            os.environ |= {
                "RANK": str(number),
                "LOCAL_RANK": str(number),
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(store_socket.getsockname()[1]),
            }
            arguments = [str(run.path), "--messages", str(message_write_fd)]
            arguments += ["--listen", str(store_socket.fileno())] if number == 0 else []
            rank.main([*arguments, *(["--resume"] if resume else [])])

        self.pid = fork(work)
        os.close(message_write_fd)
        os.close(request_read_fd)
        self._request_fd = request_write_fd
        self._pipe = os.fdopen(message_read_fd, encoding="utf-8")
        self.messages: list[Message] = []

    def send(self, request: Request) -> None:
        """Send a request."""
        os.write(self._request_fd, f"{request}\n".encode())

    def read_until(self, wanted: Callable[[Message], bool]) -> Message:
        """Read messages until one is wanted, and return it."""
        for line in self._pipe:
            self.messages.append(decode(line))
            if wanted(self.messages[-1]):
                return self.messages[-1]
        raise AssertionError(f"rank {self.pid} ended after {self.messages[-3:]}")

    def finish(self) -> Message:
        """Read all messages, wait until the process has exited, and return the last message."""
        self._collect()
        return self.messages[-1]

    def kill(self) -> None:
        """Kill the process, if it has not exited."""
        if not self._pipe.closed:
            os.kill(self.pid, signal.SIGKILL)
            self._collect()

    def _collect(self) -> None:
        if not self._pipe.closed:
            self.messages += map(decode, self._pipe)
            self._pipe.close()
            os.close(self._request_fd)
            os.waitpid(self.pid, 0)

    @property
    def losses(self) -> dict[int, float]:
        """The loss of each step; of a step that was taken twice, the last."""
        events = [message.fields for message in self.messages if isinstance(message, EventMessage)]
        return {
            fields["step"]: fields["loss"] for fields in events if {"loss", "step"} <= fields.keys()
        }


class RankStarter:
    """Starts ranks, and can kill all of them."""

    def __init__(self) -> None:
        self._ranks: list[ForkedRank] = []

    def __call__(self, run: RunDirectory, *, resume: bool = False) -> list[ForkedRank]:
        """Start the two ranks of a run."""
        with socket.create_server(("127.0.0.1", 0), backlog=2) as store_socket:
            pair = [ForkedRank(run, number, 2, store_socket, resume=resume) for number in range(2)]
        self._ranks += pair
        return pair

    def kill(self) -> None:
        """Kill the ranks that have not exited."""
        for forked_rank in self._ranks:
            forked_rank.kill()
