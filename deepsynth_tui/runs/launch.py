"""Start a job that outlives whoever starts it."""

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
    # The console is a file: without this it would lag a buffer behind, and lose it in a crash.
    "PYTHONUNBUFFERED": "1",
    # A segmentation fault leaves the Python stack in the console.
    "PYTHONFAULTHANDLER": "1",
    # No text can end a run because the console's encoding has no form for it.
    "PYTHONIOENCODING": "utf-8:backslashreplace",
    # `-m` would let a `datasets.py` in the person's folder stand in for the library.
    "PYTHONSAFEPATH": "1",
}

JOBS = {"dataset": "deepsynth_tui.dataset.job", "training": "deepsynth_tui.training.job"}
"""The module that does the work of each kind of run: `python -m MODULE RUN_PATH`."""


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
    """Start `argv` for `run` and return its pid; it goes on when this process ends in any way.

    The job leads its own session, reads nothing, prints into `console.log`, and stands in the
    folder where the run was created. `env` adds to this process's environment. Requests left
    from an earlier process of the same run are cleared. Raises LaunchError when the run has a
    live process already or the command cannot be started.
    """
    before = read_status(run)
    now = time.time()
    # One that has ended may take seconds to leave the memory; it touches the run no more.
    if before and before.phase != ENDED and liveness(before, now) is not Liveness.DEAD:
        raise LaunchError(f"{run.id} is running already (pid {before.pid})", "Attach to it instead")
    # PreviewFile before the process exists, so that no reader ever finds a run without a status.
    status = new_status(now)
    try:
        control.clear_requests(run)
        write_status(run, status)
    except OSError as error:
        raise LaunchError(
            f"Cannot write into {run.path}: {error.strerror or error}",
            "Free some space, or give yourself the right to write there",
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
    # Names a job that dies before it can speak for itself. One that has spoken is left alone; if
    # it speaks between these two lines, its next heartbeat says it again.
    if read_status(run) == status:
        write_status(run, new_status(now, job.pid))
    # Collects the exit status, or dead jobs would stay as zombies while this process lives.
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
