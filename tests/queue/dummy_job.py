"""A job that records that it was started: `python -m tests.queue.dummy_job RUN_PATH`.

It ends once the file `finish` is beside the home of its run, or at once if it is named "quick".
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from deepsynth_tui.config.locations import home
from deepsynth_tui.runs.directory import read_identity
from deepsynth_tui.runs.job import Failure, Job, run_job


def body(job: Job) -> str:
    """Add a line to `starts`, and wait."""
    with (job.run.path / "starts").open("a") as file:
        file.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
    job.phase("training")
    name = read_identity(job.run).name
    if name == "fails":
        raise RuntimeError("it fails")
    while name != "quick" and not (home() / "finish").exists():
        if job.stop_requested():
            return "stopped"
        time.sleep(0.02)
    return "completed"


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), "")


if __name__ == "__main__":
    sys.exit(run_job(Path(sys.argv[1]), body, explain=explain, heartbeat_seconds=0.1))
