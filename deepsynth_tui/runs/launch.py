"""Start a job that outlives the process that starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from deepsynth_tui.runs import atomic, batch_job, control, device_lock, events, lock, queue
from deepsynth_tui.runs.batch_job import Submission
from deepsynth_tui.runs.directory import RunDirectory, read_identity
from deepsynth_tui.runs.errors import LaunchError
from deepsynth_tui.runs.file_lock import FileLock
from deepsynth_tui.runs.liveness import StatusUnreadable, new_status, read_status, write_status
from deepsynth_tui.runs.lock import RunLock
from deepsynth_tui.runs.summary import summarize

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


def start_job(
    run: RunDirectory,
    *,
    resume: bool = False,
    env: Mapping[str, str] | None = None,
    run_lock: RunLock | None = None,
    device_locks: Sequence[FileLock] = (),
) -> int:
    """Start the job for the run's kind and return its pid; see `start_process`.

    With `resume`, training continues from its last checkpoint. A dataset always continues from its
    last complete shard. A run with a batch script is submitted to Slurm; the result is 0 then.
    """
    kind = read_identity(run).kind
    if run.batch_script.exists():
        submit_job(run, resume=resume, run_lock=run_lock)
        return 0
    if kind not in JOBS:
        raise LaunchError(
            f"{run.id} is of the unknown kind {kind!r}", "A later version made it: update this one"
        )
    argv = [sys.executable, "-m", JOBS[kind], str(run.path.absolute())]
    if resume and kind == "training":
        argv.append("--resume")
    return start_process(run, argv, env=env, run_lock=run_lock, device_locks=device_locks)


def submit_job(run: RunDirectory, *, resume: bool, run_lock: RunLock | None = None) -> Submission:
    """Submit the batch script of `run`. Requests to an earlier process are cleared.

    Raises:
        RunBusy: The run has a live job, or one that waits in Slurm.
        NotSubmitted: Slurm refuses the job or does not answer, or is not installed here.
        LaunchError: The run folder cannot be written.
    """
    with run_lock or lock.claim(run):
        if (summary := summarize(run)).is_live and batch_job.read_submission(run) is not None:
            raise lock.RunBusy(f"{run.id} is {summary.state} {summary.message}", "Stop it first")
        try:
            control.clear_requests(run)
            run.archived.unlink(missing_ok=True)
            return batch_job.submit(run, resume=resume)
        except OSError as error:
            raise lock.not_writable(run, error) from error


def start_process(
    run: RunDirectory,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    run_lock: RunLock | None = None,
    device_locks: Sequence[FileLock] = (),
) -> int:
    """Start `argv` for `run` and return its pid. It continues if this process ends in any way.

    The job leads its own session, has no stdin, prints to `console.log`, and runs in the folder
    where the run was created. `env` extends this process's environment. Requests to an earlier
    process of the run are cleared, and it leaves the queue. The job inherits the lock of the run:
    `run_lock` if the caller holds it, which this function takes over in any case. It also inherits
    `device_locks`, which remain the caller's to close.

    Raises:
        RunBusy: The run has a live job already.
        LaunchError: The command cannot be started.
        StatusUnreadable: Whether the run has a live job is unknown.
    """
    held = run_lock or lock.claim(run)
    try:
        job = _start_locked(
            run, argv, {**os.environ, **JOB_ENVIRONMENT, **(env or {})}, held, device_locks
        )
    finally:
        held.hand_over()  # released, unless a job has inherited it
    # Reaps the job, which would otherwise stay a zombie while this process lives.
    threading.Thread(target=job.wait, name=f"reap {run.id}", daemon=True).start()
    return job.pid


def _start_locked(
    run: RunDirectory,
    argv: Sequence[str],
    env: Mapping[str, str],
    held: RunLock,
    device_locks: Sequence[FileLock],
) -> subprocess.Popen[bytes]:
    now = time.time()
    try:
        before = run.status.read_bytes() if run.status.exists() else None
        # Written before the process exists, so that a reader never sees a run without a status.
        status = new_status(now, seq_before=events.last_seq(run.events))
        control.clear_requests(run)
        run.archived.unlink(missing_ok=True)  # a live run is in the list
        write_status(run, status)
    except OSError as error:
        raise lock.not_writable(run, error) from error
    try:
        devices = [device.file for device in device_locks]
        descriptors = {
            lock.DESCRIPTOR_VARIABLE: str(held.file),
            device_lock.DESCRIPTORS_VARIABLE: ",".join(map(str, devices)),
        }
        job = _start(run, argv, {**env, **descriptors}, (held.file, *devices))
    except OSError as error:
        with contextlib.suppress(OSError):  # then the status says that this launch never started
            if before is None:
                run.status.unlink()
            else:
                atomic.replace(run.status, before)
        raise LaunchError(
            f"Cannot start {argv[0]} in {read_identity(run).cwd}: {error.strerror or error}",
            "Check that the command and the folder the run was created in still exist",
        ) from error
    # Adds the pid, in case the job dies before its first heartbeat. A status that the job has
    # written is kept; if it writes one between these two lines, its next heartbeat repeats it.
    # The job runs whether or not that succeeds.
    with contextlib.suppress(OSError, StatusUnreadable):
        if read_status(run) == status:
            write_status(run, new_status(now, job.pid, seq_before=status.seq_before))
    with contextlib.suppress(OSError):  # the pid in the status says the same
        queue.remove_entry(run)
    return job


def _start(
    run: RunDirectory, argv: Sequence[str], env: Mapping[str, str], inherited: Sequence[int]
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
            pass_fds=inherited,
        )
