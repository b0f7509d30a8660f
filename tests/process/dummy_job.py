"""A job that trains nothing: `python dummy_job.py RUN_PATH BEHAVIOUR`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from deepsynth_tui.runs.job import Failure, Job, run_job

PAUSE = 0.02


def steps(job: Job) -> str:
    """Report steps for ever, with a checkpoint every tenth."""
    job.phase("training")
    step = 0
    while True:
        step += 1
        time.sleep(PAUSE)
        sys.stdout.write(f"step {step}\n")
        job.metric(step=step, loss=1 / step)
        if job.stop_requested() == "stop":
            return "stopped"
        if step % 10 == 0:
            job.checkpoint(job.run.checkpoints / f"checkpoint-{step}", step)
            if job.stop_requested():
                return "stopped"


def finishes(job: Job) -> str:
    """Finish at once and report working directory, stdin and session."""
    job.result(cwd=str(Path.cwd()), stdin=sys.stdin.read(), session=os.getsid(0) == os.getpid())
    os.write(2, b"from the depths\n")
    sys.stdout.write("\ud800 in any encoding\n")
    return "completed"


def ignores_requests(job: Job) -> str:
    """Never check for a request."""
    job.phase("training")
    while True:
        time.sleep(PAUSE)


def ignores_signals(job: Job) -> str:
    """Ignore requests and SIGTERM, and have a child process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    job.phase("training", child=child.pid)
    while True:
        time.sleep(PAUSE)


def segfault(job: Job) -> str:
    """Die of a segmentation fault."""
    job.phase("training")
    os.kill(os.getpid(), signal.SIGSEGV)
    return "completed"


def workers(job: Job) -> str:
    """Terminate a forked worker, which has inherited the job's signal handlers."""
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    worker = fork.Process(target=_wait, args=(ready,))
    worker.start()
    ready.wait()
    worker.terminate()
    worker.join()
    job.result(exitcode=worker.exitcode)
    return "completed"


def holds_forked_worker(job: Job) -> str:
    """Wait for ever, with a forked worker that outlives a kill of the job."""
    job.phase("training")
    worker = os.fork()
    if worker == 0:
        time.sleep(600)
        os._exit(0)
    (job.run.path / "worker").write_text(str(worker))
    while True:
        time.sleep(PAUSE)


def _wait(ready: Event) -> None:
    ready.set()
    time.sleep(600)


BEHAVIOURS = {
    function.__name__: function
    for function in (
        steps,
        finishes,
        ignores_requests,
        ignores_signals,
        segfault,
        workers,
        holds_forked_worker,
    )
}


def explain(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), "")


if __name__ == "__main__":
    behaviour = BEHAVIOURS[sys.argv[2]]
    sys.exit(run_job(Path(sys.argv[1]), behaviour, explain=explain, heartbeat_seconds=0.1))
