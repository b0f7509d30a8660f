"""The process that owns a run of several ranks on this machine: it starts them, records their
events, forwards requests, and ends them together. `nodes` does so on several machines.

Why not `torch.distributed.elastic` (torchrun, `start_processes`; compared with torch 2.13):

- This process outlives ranks that crash, hang or are killed, and waits next to them all the time.
  It imports no torch: 17 MB and 0.3 s of CPU time instead of 227 MB and 3.7 s for
  `import torch.distributed.elastic.multiprocessing`.
- `PContext.start` sets handlers of SIGTERM, SIGINT, SIGHUP and SIGQUIT that raise, which ends
  the workers. Here SIGTERM and SIGINT are requests that the ranks obey after a step, with a
  checkpoint, and SIGHUP is ignored.
- Workers report through return values and, with `@record`, one error file each at their end. A run
  needs one ordered stream of events while it trains, and requests in the other direction.
- The first rank to fail is blamed (`min(failures, key=timestamp)`). With gloo and NCCL that is
  often a rank that only lost its connection: the launcher waits for the one that knows why.
- A worker that was killed is reported as "Signal 9 (SIGKILL) received". The launcher asks the
  kernel whether it was the OOM killer.
- The agent restarts workers from the beginning (`max_restarts`). A run resumes from its last
  checkpoint when the user says so.

Environment variables and the `[rank N]` prefixes of log lines are those of torchrun in meaning.
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
from typing import IO, Any

from deepsynth_tui.machine import nvml
from deepsynth_tui.runs import oom_killer
from deepsynth_tui.runs.control import Request
from deepsynth_tui.runs.job import Failure, Job
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.ranks import gpu_assignment
from deepsynth_tui.training.ranks.exit_reasons import unreported_exit
from deepsynth_tui.training.ranks.protocol import FailedMessage, FinishedMessage, decode
from deepsynth_tui.training.ranks.record import Exited, Inbox, Rank, record_reports

ADDRESS = "127.0.0.1"
RANK_COMMAND = (sys.executable, "-m", "deepsynth_tui.training.ranks.rank")


class RankProcess:
    """The process of one rank, with threads that read its messages and its output."""

    def __init__(
        self, rank: int, process: subprocess.Popen[str], message_fd: int, inbox: Inbox
    ) -> None:
        self.rank = rank
        self.node: str | None = None
        self.process = process
        self.last_message: FinishedMessage | FailedMessage | None = None
        self._inbox = inbox
        readers = [self._thread(self._read_messages, os.fdopen(message_fd, encoding="utf-8"))]
        if process.stdout is not None:
            readers.append(self._thread(self._print_output, process.stdout))
        self._thread(self._wait, readers)

    def send(self, request: Request) -> bool:
        """Forward a request and return True; a rank that has just exited does not need it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{request}\n")
            self.process.stdin.flush()
        return True

    def kill(self) -> None:
        """Kill the process, if it has not exited, and reap it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _thread(self, target: Callable[[Any], None], argument: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        thread.start()
        return thread

    def _read_messages(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                if line.endswith("\n"):  # else the rank was killed while it wrote
                    self._inbox.put((self, decode(line)))

    def _print_output(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                sys.stdout.write(f"[rank {self.rank}] {line.rstrip()}\n")

    def _wait(self, readers: list[threading.Thread]) -> None:
        exit_code = self.process.wait()
        for reader in readers:
            reader.join(1.0)  # a data worker of the rank may keep the pipes open a little longer
        self._inbox.put((self, Exited(exit_code)))


def run_ranks(
    job: Job, num_processes: int, *, resume: bool, command: Sequence[str] = RANK_COMMAND
) -> str:
    """Train in `num_processes` ranks and return the verdict of the run. No rank outlives the call.

    `command` starts one rank; `ranks.rank` documents its arguments.

    Raises:
        TrainingError: this machine has GPUs, but too few.
        JobFailed: a rank failed or was killed, with the reason of the rank that caused it.
        OSError: a process cannot be started, or an event cannot be recorded.
    """
    if shortage := gpu_assignment.gpu_shortage(num_processes, nvml.probe()):
        raise TrainingError(shortage, "Lower training.num_processes, or let the run see more GPUs.")
    inbox: Inbox = queue.Queue()
    arguments = [*command, str(job.run.path), *(["--resume"] if resume else [])]
    launched, kills_before = time.time(), oom_killer.read_kill_count()

    def explain_exit(rank: Rank, exit_code: int) -> Failure:
        pid = ranks[rank.rank].process.pid
        killed = oom_killer.was_killed(kills_before, pid, launched)
        return unreported_exit(rank.rank, pid, exit_code, killed_for_memory=killed)

    with _started(arguments, num_processes, inbox) as ranks:
        return record_reports(job, inbox, send=ranks[0].send, explain_exit=explain_exit)


@contextlib.contextmanager
def _started(command: list[str], num_processes: int, inbox: Inbox) -> Iterator[list[RankProcess]]:
    ranks: list[RankProcess] = []
    # Bound here and inherited by the first rank, so that no other program can take the port.
    with socket.create_server((ADDRESS, 0), backlog=num_processes) as store_socket:
        try:
            for rank in range(num_processes):
                ranks.append(_start(command, rank, num_processes, store_socket, inbox))
            yield ranks
        finally:
            for rank in ranks:
                rank.kill()


def _start(
    command: list[str], rank: int, num_processes: int, store_socket: socket.socket, inbox: Inbox
) -> RankProcess:
    """Start one rank, with the environment variables of torchrun, which accelerate reads."""
    read_fd, write_fd = os.pipe()
    command = [*command, "--messages", str(write_fd)]
    inherited_fds = [write_fd]
    if rank == 0:
        command += ["--listen", str(store_socket.fileno())]
        inherited_fds.append(store_socket.fileno())
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    environment = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // num_processes)),
        # Else gloo resolves the host name, which may fail in a container.
        **({"GLOO_SOCKET_IFNAME": loopback[0]} if loopback else {}),
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": ADDRESS,
        "MASTER_PORT": str(store_socket.getsockname()[1]),
        "CUDA_VISIBLE_DEVICES": gpu_assignment.visible_devices(num_processes),
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            # The first rank prints as a run of one process does; other lines get a prefix.
            stdout=None if rank == 0 else subprocess.PIPE,
            stderr=None if rank == 0 else subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=inherited_fds,
            env=environment,
        )
    except OSError:
        os.close(read_fd)
        raise
    finally:
        os.close(write_fd)
    return RankProcess(rank, process, read_fd, inbox)
