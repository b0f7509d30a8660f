"""A job whose evaluation loss is a function of its settings: `python -m ... RUN_PATH [--resume]`.

It is least at a learning rate of 2e-3. It saves every step, and resumes where it was. After each
evaluation it waits until the search has seen it, however slow the machine is.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

from deepsynth_tui.config.load import load_file
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.runs import control
from deepsynth_tui.runs.job import Failure, Job, JobFailed, run_job
from deepsynth_tui.search.results import read_results

PAUSE = 0.01


def loss(rate: float, rank: int, step: int) -> float:
    """Return the loss after `step` steps."""
    distance = math.log10(rate / 2e-3)
    return (0.5 + distance**2) * (1 + math.exp(-step / 8)) + 0.01 * abs(rank - 16) / 16


def wait_for_search(job: Job, score: float) -> None:
    """Return once the search has read the present score, or asks the job to stop."""
    results = job.run.path.parent.parent / "results.json"
    while not control.pending_request(job.run) and not job.stop_requested():
        rows = (read_results(results) or {}).get("trials", ())
        if any((row["run"], row["score"]) == (job.run.id, score) for row in rows):
            return
        time.sleep(PAUSE)


def body(job: Job) -> str:
    """Take the steps of the configuration."""
    config = load_file(job.run.config, of_run=True).config
    assert isinstance(config, TrainingConfig)
    with (job.run.path / "starts").open("a") as file:
        file.write(f"{os.getpid()}\n")
    job.phase("training")
    saved = job.run.path / "step"
    first = int(saved.read_text()) if "--resume" in sys.argv and saved.exists() else 0
    if first:
        job.resumed(first)
    total = config.training.max_steps
    rate, rank = config.training.learning_rate, config.lora.r
    every = config.training.eval_steps or total
    for step in range(first + 1, total + 1):
        value = loss(rate, rank, step)
        if step % every and step < total:
            job.metric(step=step, loss=value)
        else:
            job.metric(step=step, loss=value, eval_loss=value)
            job.progress(step, total, "steps")
            saved.write_text(str(step))
            wait_for_search(job, value)
        if control.pending_request(job.run) or job.stop_requested():
            return "stopped"
    if rate > 0.5:
        raise JobFailed(Failure("TrainingError", "Training diverged: the loss rose", ""))
    job.result(eval_loss=loss(rate, rank, total))
    return "completed"


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), "")


if __name__ == "__main__":
    sys.exit(run_job(Path(sys.argv[1]), body, explain=explain, heartbeat_seconds=0.1))
