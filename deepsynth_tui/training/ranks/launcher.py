"""The process that owns a run of several ranks: it starts them, records what the first one says,
hands requests down, and ends them together. It computes nothing and imports no PyTorch, so that
it can still speak when a rank is killed or hangs.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from deepsynth_tui.machine import nvml
from deepsynth_tui.runs import oom_killer
from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.job import Failure, Job, JobFailed
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.ranks import gpu_assignment
from deepsynth_tui.training.ranks.exit_reasons import unreported_exit, with_rank
from deepsynth_tui.training.ranks.protocol import (
    EventMessage,
    FailedMessage,
    FinishedMessage,
    Message,
    decode,
)

LISTEN = 0.2
"""Seconds between two looks at the requests."""
GRACE = 10.0
"""Seconds for the rank that failed to say why, after another has only lost contact with it."""
ADDRESS = "127.0.0.1"
RANK = (sys.executable, "-m", "deepsynth_tui.training.ranks.rank")


@dataclass(frozen=True, slots=True)
class Gone:
    """A rank's process has ended; `code` is negative for the signal that killed it."""

    code: int


News = tuple["Rank", Message | Gone]


class Rank:
    """One process that trains, and the threads that listen to it."""

    def __init__(
        self, number: int, process: subprocess.Popen[str], reports: int, news: queue.Queue[News]
    ) -> None:
        self.number = number
        self.process = process
        self.ended: FinishedMessage | FailedMessage | None = None
        self._news = news
        listeners = [self._thread(self._hear, os.fdopen(reports, encoding="utf-8"))]
        if process.stdout is not None:
            listeners.append(self._thread(self._print, process.stdout))
        self._thread(self._await, listeners)

    def tell(self, request: Request) -> None:
        """Hand a request down; a rank that has just ended does not need it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{request}\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        """End the process, if it has not ended, and collect it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _thread(self, target: Callable[[Any], None], argument: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        thread.start()
        return thread

    def _hear(self, reports: IO[str]) -> None:
        with reports:
            for line in reports:
                if line.endswith("\n"):  # else the rank was killed while it wrote
                    self._news.put((self, decode(line)))

    def _print(self, output: IO[str]) -> None:
        with output:
            for line in output:
                sys.stdout.write(f"[rank {self.number}] {line.rstrip()}\n")

    def _await(self, listeners: list[threading.Thread]) -> None:
        code = self.process.wait()
        for listener in listeners:
            listener.join(1.0)  # a worker that it forked may hold the lines a little longer
        self._news.put((self, Gone(code)))


def run_ranks(job: Job, count: int, *, resume: bool, command: Sequence[str] = RANK) -> str:
    """Train in `count` processes and return the verdict of the run. No rank outlives this call.

    `command` starts one; `rank` says what it is given.

    Raises:
        TrainingError: there are GPUs, but fewer.
        JobFailed: a rank failed or was killed; the words are those of the one that did so first.
        OSError: a process cannot be started, or an event cannot be recorded.
    """
    if lacking := gpu_assignment.gpu_shortage(count, nvml.probe()):
        raise TrainingError(lacking, "Lower training.num_processes, or show more GPUs to the run.")
    news: queue.Queue[News] = queue.Queue()
    whole = [*command, str(job.run.path), *(["--resume"] if resume else [])]
    began, killed_before = time.time(), oom_killer.read_kill_count()

    def fate(rank: Rank, code: int) -> Failure:
        pid = rank.process.pid
        killed = oom_killer.was_killed(killed_before, pid, began)
        return unreported_exit(rank.number, pid, code, killed_for_memory=killed)

    with _started(whole, count, news) as ranks:
        return _follow(job, ranks, news, fate)


def _follow(
    job: Job, ranks: list[Rank], news: queue.Queue[News], fate: Callable[[Rank, int], Failure]
) -> str:
    handed_down: Request | None = None
    suspected: tuple[float, Failure] | None = None
    while True:
        request = job.stop_requested()
        if request and request != handed_down:
            ranks[0].tell(request)
            handed_down = request
        if suspected and time.monotonic() > suspected[0]:
            raise JobFailed(suspected[1])
        try:
            rank, said = news.get(timeout=LISTEN)
        except queue.Empty:
            continue
        match said:
            case EventMessage(kind, fields):
                if kind == "phase":
                    job.heartbeat.enter_phase(fields["name"])
                job.events.write(kind, **fields)
            case FailedMessage(failure, lost_contact):
                rank.ended = said
                failure = with_rank(failure, rank.number)
                if not lost_contact:
                    raise JobFailed(failure)
                suspected = suspected or (time.monotonic() + GRACE, failure)
            case FinishedMessage():
                rank.ended = said
            case Gone(code):
                if rank.ended is None or code < 0:
                    raise JobFailed(fate(rank, code))
                if rank is ranks[0] and isinstance(rank.ended, FinishedMessage):
                    job.result(**rank.ended.results)
                    return rank.ended.verdict


@contextlib.contextmanager
def _started(command: list[str], count: int, news: queue.Queue[News]) -> Iterator[list[Rank]]:
    ranks: list[Rank] = []
    # Bound here and inherited by the first rank, so that no other program can take the port.
    with socket.create_server((ADDRESS, 0), backlog=count) as meeting:
        try:
            for number in range(count):
                ranks.append(_start(command, number, count, meeting, news))
            yield ranks
        finally:
            for rank in ranks:
                rank.kill()


def _start(
    command: list[str], number: int, count: int, meeting: socket.socket, news: queue.Queue[News]
) -> Rank:
    """Start one rank, in the words of torchrun, whose environment accelerate reads."""
    hears, speaks = os.pipe()
    command = [*command, "--reports", str(speaks)]
    passed = [speaks]
    if number == 0:
        command += ["--listen", str(meeting.fileno())]
        passed.append(meeting.fileno())
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    environment = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count)),
        # Else gloo looks for the machine's own name, which a container may not know.
        **({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {}),
        **os.environ,
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": ADDRESS,
        "MASTER_PORT": str(meeting.getsockname()[1]),
        "CUDA_VISIBLE_DEVICES": gpu_assignment.visible_devices(count),
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            # The first rank prints as a run of one process does; the others are told apart.
            stdout=None if number == 0 else subprocess.PIPE,
            stderr=None if number == 0 else subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=passed,
            env=environment,
        )
    except OSError:
        os.close(hears)
        raise
    finally:
        os.close(speaks)
    return Rank(number, process, hears, news)
