"""Start a job that outlives the process that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.liveness import (
    ENDED,
    Liveness,
    liveness,
    new_status,
    read_status,
    write_status,
)

JOB_ENVIRONMENT = {
    # The console is a file: buffered output would lag behind, and be lost in a crash.
    "PYTHONUNBUFFERED": "1",
    # A segmentation fault prints the Python stack.
    "PYTHONFAULTHANDLER": "1",
    # Text that the console's encoding cannot represent must not end a run.
    "PYTHONIOENCODING": "utf-8:backslashreplace",
    # `-m` would import a `datasets.py` in the user's folder in place of the library.
    "PYTHONSAFEPATH": "1",
}

JOBS = {"dataset": "deepsynth_tui.dataset.job", "training": "deepsynth_tui.training.job"}
"""The module of each kind of run, started as `python -m MODULE RUN_PATH`."""


class LaunchError(RunError):
    """A job could not be started."""


def start_job(run: RunDirectory, *, resume: bool = False) -> int:
    """Start the job for the run's kind and return its pid; see `start_process`.

    With `resume`, training continues from its last checkpoint. A dataset always continues from its
    last complete shard.
    """
    kind = read_identity(run).kind
    argv = [sys.executable, "-m", JOBS[kind], str(run.path.absolute())]
    return start_process(run, [*argv, "--resume"] if resume and kind == "training" else argv)


def start_process(
    run: RunDirectory, argv: Sequence[str], *, env: Mapping[str, str] | None = None
) -> int:
    """Start `argv` for `run` and return its pid. It continues if this process ends in any way.

    The job leads its own session, has no stdin, prints to `console.log`, and runs in the folder
    where the run was created. `env` extends this process's environment. Requests to an earlier
    process of the run are cleared.

    Raises LaunchError if the run has a live process already or the command cannot be started.
    """
    before = read_status(run)
    now = time.time()
    # A process that has ended may take seconds to exit, but no longer touches the run.
    if before and before.phase != ENDED and liveness(before, now) is not Liveness.DEAD:
        raise LaunchError(f"{run.id} is already running (pid {before.pid})", "Attach to it instead")
    # Written before the process exists, so that a reader never sees a run without a status.
    status = new_status(now)
    try:
        control.clear_requests(run)
        write_status(run, status)
    except OSError as error:
        raise LaunchError(
            f"Cannot write into {run.path}: {error.strerror or error}",
            "Free some disk space, or make the folder writable",
        ) from error
    try:
        job = _start(run, argv, {**os.environ, **JOB_ENVIRONMENT, **(env or {})})
    except OSError as error:
        if before is None:
            run.status.unlink()
        else:
            write_status(run, before)
        raise LaunchError(
            f"Cannot start {argv[0]} in {read_identity(run).cwd}: {error.strerror or error}",
            "Check that the command and the folder the run was created in still exist",
        ) from error
    # Adds the pid, in case the job dies before its first heartbeat. A status that the job has
    # written is kept; if it writes one between these two lines, its next heartbeat repeats it.
    if read_status(run) == status:
        write_status(run, new_status(now, job.pid))
    # Reaps the job, which would otherwise stay a zombie while this process lives.
    threading.Thread(target=job.wait, name=f"reap {run.id}", daemon=True).start()
    return job.pid


def _start(
    run: RunDirectory, argv: Sequence[str], env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with run.console.open("ab") as console:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=read_identity(run).cwd,
            env=env,
        )
