"""Start the supervisor of the queue where it is missing: after a kill, a reboot, or at first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from deepsynth_tui.runs import file_lock, queue
from deepsynth_tui.runs.launch import JOB_ENVIRONMENT
from deepsynth_tui.runs.supervisor_status import read_supervisor, supervisor_lock

LOCK_VARIABLE = "DEEPSYNTH_SUPERVISOR_LOCK"
"""Environment variable that tells a supervisor the descriptor of the lock it inherits."""
SUPERVISOR = "deepsynth_tui.queue.supervisor"
LOG_BYTES = 1 << 20
"""The log of supervisors begins anew beyond this size."""


@dataclass(frozen=True, slots=True)
class Woken:
    """What became of the supervisor: `pid` is that of a new one, `died` that of the one before it,
    which was killed or ended with the machine."""

    pid: int | None = None
    died: int | None = None


def wake(home: Path) -> Woken:
    """Start a supervisor if there is none and a run waits. It outlives this process.

    Raises NoLocks if the file system has no locks.
    """
    lock_file = supervisor_lock(home)
    if not (home / "queue").is_dir():
        return Woken()
    before = read_supervisor(home)
    waits = any(waiting.entry and not waiting.entry.held for waiting in queue.waiting_runs(home))
    # A supervisor that died may have left a run that ended with the machine.
    if not waits and before is None:
        return Woken()
    held = file_lock.try_lock(lock_file)
    if held is None:
        return Woken()
    try:
        log = home / "queue" / "supervisor.log"
        mode = "wb" if log.exists() and log.stat().st_size > LOG_BYTES else "ab"
        with log.open(mode) as output:
            process = subprocess.Popen(
                [sys.executable, "-m", SUPERVISOR, str(home.absolute())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=home,
                env={**os.environ, **JOB_ENVIRONMENT, LOCK_VARIABLE: str(held.file)},
                pass_fds=(held.file,),
            )
    finally:
        held.close()
    threading.Thread(target=process.wait, name="reap supervisor", daemon=True).start()
    return Woken(process.pid, before.pid if before else None)
