"""One process of several that train together; `owner` starts it.

`python -m deepsynth_tui.training.ranks.rank RUN_PATH --reports FD [--listen FD] [--resume]`
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

STDIN = 0


def run_rank(
    run_path: Path, reports: MessageWriter, *, listen: int | None, resume: bool
) -> Message:
    """Do this rank's part and return how it ended."""
    first = os.environ["RANK"] == "0"
    # Before the libraries are imported, which takes seconds: the owner may be gone by then.
    job = Job(open_run(run_path), reports if first else NullEvents(), RequestReader(STDIN))
    try:
        silence_libraries()
        from deepsynth_tui.training.job import train
        from deepsynth_tui.training.ranks.rank_group import join_rank_group

        verdict = train(job, resume=resume, peers=join_rank_group(listen=listen))
    except BaseException as error:  # noqa: BLE001 - the process boundary: told to the owner
        traceback.print_exc()
        failure = error.failure if isinstance(error, JobFailed) else explain(error)
        job.flush()
        return FailedMessage(failure, is_lost_connection(error))
    job.flush()
    return FinishedMessage(verdict, job.results)


def main(arguments: list[str] | None = None) -> int:
    """Run one rank. Returns 0; a rank that failed exits with 1 on the spot."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.training.ranks.rank")
    parser.add_argument("run", type=Path)
    parser.add_argument("--reports", type=int, required=True, help="file to send reports to")
    parser.add_argument("--listen", type=int, help="socket where the first rank awaits the others")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args(arguments)
    if not faulthandler.is_enabled():
        faulthandler.enable()
    # The owner alone decides what these mean; a terminal sends them to the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    if os.environ["RANK"] == "0":
        logging.getLogger("deepsynth_tui").setLevel(logging.INFO)
    reports = MessageWriter(given.reports)
    ended = run_rank(given.run, reports, listen=given.listen, resume=given.resume)
    reports.send(ended)
    sys.stdout.flush()
    if isinstance(ended, FailedMessage):
        os._exit(1)  # its libraries would wait for the other ranks in their exit handlers
    return 0


if __name__ == "__main__":
    sys.exit(main())
