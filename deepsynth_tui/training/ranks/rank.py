"""One rank of a run that trains in several processes; started by `ranks.launcher`.

`python -m deepsynth_tui.training.ranks.rank RUN_PATH --messages FD [--listen FD] [--resume]`
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
from deepsynth_tui.training.failures import explain
from deepsynth_tui.training.failures.processes import is_lost_connection
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
    run_path: Path, writer: MessageWriter, *, listen_fd: int | None, resume: bool
) -> Message:
    """Train as one rank and return the message that says how it ended."""
    is_main = os.environ["RANK"] == "0"
    # Before the libraries are imported, which takes seconds: the launcher may be gone by then.
    job = Job(open_run(run_path), writer if is_main else NullEvents(), RequestReader(STDIN_FD))
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


def main(arguments: list[str] | None = None) -> int:
    """Run one rank. Return 0; a rank that failed exits with status 1 at once."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.ranks.rank")
    parser.add_argument("run", type=Path)
    parser.add_argument("--messages", type=int, required=True, help="fd to write messages to")
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
    writer = MessageWriter(options.messages)
    message = run_rank(options.run, writer, listen_fd=options.listen, resume=options.resume)
    writer.send(message)
    sys.stdout.flush()
    if isinstance(message, FailedMessage):
        os._exit(1)  # exit handlers of NCCL and gloo would wait for the other ranks
    return 0


if __name__ == "__main__":
    sys.exit(main())
