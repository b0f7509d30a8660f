"""One rank of a run that trains in several processes; started by `ranks.launcher`, or on one of
several nodes by torchrun.

`python -m deepsynth_tui.training.ranks.rank RUN_PATH [--messages FD] [--listen FD] [--resume]`
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

from deepsynth_tui.runs.directory import open_run
from deepsynth_tui.runs.job import Job, JobFailed
from deepsynth_tui.slurm.commands import node_name
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.failures.processes import is_lost_connection
from deepsynth_tui.training.ranks.connection import OWNER_VARIABLE, Address, connect
from deepsynth_tui.training.ranks.protocol import (
    FailedMessage,
    FinishedMessage,
    Message,
    MessageWriter,
    NullEvents,
    RequestReader,
)
from deepsynth_tui.training.silence_libraries import silence_libraries

STDIN_FD = 0


def run_rank(
    run_path: Path,
    writer: MessageWriter,
    requests: RequestReader,
    *,
    listen_fd: int | None,
    resume: bool,
) -> Message:
    """Train as one rank and return the message that says how it ended."""
    is_main = os.environ["RANK"] == "0"
    job = Job(open_run(run_path), writer if is_main else NullEvents(), requests)
    try:
        silence_libraries()
        from deepsynth_tui.training.job import train
        from deepsynth_tui.training.ranks.rank_group import join_rank_group

        verdict = train(job, resume=resume, ranks=join_rank_group(listen_fd=listen_fd))
    except BaseException as error:  # noqa: BLE001 - the process boundary: sent to the launcher
        traceback.print_exc()
        failure = error.failure if isinstance(error, JobFailed) else explain(error)
        job.flush()
        return FailedMessage(failure, is_lost_connection(error))
    job.flush()
    return FinishedMessage(verdict, job.results)


def _connect() -> tuple[int, int]:
    """Connect to the owner of the run, and return descriptors for requests and messages."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm sends it to every process
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # one log for both: see `rank_logs`
    address = Address.from_text(os.environ[OWNER_VARIABLE])
    connection = connect(address, node=node_name(), rank=int(os.environ["RANK"]))
    return connection, os.dup(connection)


def main(arguments: list[str] | None = None) -> int:
    """Run one rank. Return 0; a rank that failed exits with status 1 at once."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.ranks.rank")
    parser.add_argument("run", type=Path)
    parser.add_argument("--messages", type=int, help="fd to write messages to; none: connect")
    parser.add_argument("--listen", type=int, help="fd of the socket that the first rank serves")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    if not faulthandler.is_enabled():
        faulthandler.enable()
    # Only the launcher acts on these; a terminal sends them to the whole process group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    if os.environ["RANK"] == "0":
        logging.getLogger("deepsynth_tui").setLevel(logging.INFO)
    request_fd, message_fd = STDIN_FD, options.messages
    if message_fd is None:
        request_fd, message_fd = _connect()
    writer = MessageWriter(message_fd)
    # Before the libraries are imported, which takes seconds: the owner may be gone by then.
    requests = RequestReader(request_fd)
    message = run_rank(
        options.run, writer, requests, listen_fd=options.listen, resume=options.resume
    )
    writer.send(message)
    sys.stdout.flush()
    if isinstance(message, FailedMessage):
        os._exit(1)  # exit handlers of NCCL and gloo would wait for the other ranks
    return 0


if __name__ == "__main__":
    sys.exit(main())
