"""The process that starts the runs of the queue: `python -m deepsynth_tui.queue.supervisor HOME`.

It ends when no run waits and none that it started is left. `wake` starts it. It can be killed at
any moment: the next one finds everything in the files of the runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from deepsynth_tui.errors import UserError
from deepsynth_tui.queue.choose import VISIBLE_VARIABLE, Never, Start, Wait, choose
from deepsynth_tui.queue.machine import QueueDevice, read_machine
from deepsynth_tui.queue.wake import LOCK_VARIABLE
from deepsynth_tui.runs import device_lock, file_lock, queue
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.file_lock import FileLock
from deepsynth_tui.runs.launch import start_job
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.queue import QueueEntry
from deepsynth_tui.runs.supervisor_status import (
    SupervisorStatus,
    remove_supervisor,
    supervisor_lock,
    write_supervisor,
)

POLL_SECONDS = 0.5


def supervise(home: Path) -> int:
    """Start the waiting runs of `home`, each when it can, until all have ended; return 0.

    Returns at once if there is a supervisor already.
    """
    held = next(iter(file_lock.inherited(LOCK_VARIABLE)), None)
    held = held or file_lock.try_lock(supervisor_lock(home))
    for run in queue.enqueue_interrupted(home) if held else ():
        _log(f"{run.id} ended with the machine: it continues")
    while held is not None:
        started = time.time()
        reported: SupervisorStatus | None = None
        while _can_start(home) or device_lock.held_devices(home):
            status = SupervisorStatus(os.getpid(), started, start_ready(home))
            if status != reported:
                with contextlib.suppress(OSError):  # a full disk: the runs start nevertheless
                    write_supervisor(home, status)
                    reported = status
            time.sleep(POLL_SECONDS)
        remove_supervisor(home)
        held.close()
        # A run added before the lock was free did not get a supervisor of its own.
        held = file_lock.try_lock(supervisor_lock(home)) if _can_start(home) else None
    return 0


def start_ready(home: Path) -> dict[str, str]:
    """Start every run that can start now, and return why each of the others waits, by its id."""
    machine = read_machine(home)
    plan = _Plan()
    for waiting in queue.waiting_runs(home):
        entry, run = waiting.entry, waiting.run
        if entry is None:
            plan.reasons[run.id] = waiting.problem
        elif not entry.held:
            match choose(entry, machine, plan.taken):
                case Start(devices):
                    _start(home, run, entry, devices, plan)
                case Wait(reason, reserved):
                    plan.wait(run, reason, reserved)
                case Never(reason):
                    _hold(home, run, reason)
    return plan.reasons


@dataclass(slots=True)
class _Plan:
    """The devices that are no longer free, and why runs wait."""

    taken: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    def wait(self, run: RunDirectory, reason: str, devices: frozenset[str]) -> None:
        self.reasons[run.id] = reason
        self.taken |= devices


def _start(
    home: Path,
    run: RunDirectory,
    entry: QueueEntry,
    devices: tuple[QueueDevice, ...],
    plan: _Plan,
) -> None:
    """Start a run on `devices`, unless it has left the queue or the devices are taken by now."""
    ids = frozenset(device.id for device in devices)
    locks: list[FileLock] = []
    try:
        with queue.queue_lock(home):
            if queue.waiting_entry(run) != entry:
                return None  # changed meanwhile: the next look decides
            run_lock = claim(run)
            for device in devices:
                held = device_lock.try_hold(home, device.id, run, label=device.label)
                if held is None:
                    run_lock.release()
                    return plan.wait(run, f"another run has {device.label}", ids)
                locks.append(held)
            pid = start_job(
                run,
                resume=entry.resume,
                env={**entry.environment, VISIBLE_VARIABLE: _visible(devices)},
                run_lock=run_lock,
                device_locks=locks,
            )
        plan.taken |= ids
        _log(f"{run.id} (pid {pid}) on {', '.join(device.label for device in devices)}")
    except RunBusy as error:  # started by somebody else; it leaves the queue with its first sign
        plan.wait(run, error.message, frozenset())
    except UserError as error:
        _hold(home, run, str(error))
    finally:
        for held in locks:
            held.close()
    return None


def _hold(home: Path, run: RunDirectory, reason: str) -> None:
    _log(f"{run.id} is held: {reason}")
    with contextlib.suppress(queue.NotQueued):
        queue.hold(home, run, reason)


def _visible(devices: tuple[QueueDevice, ...]) -> str:
    """Return CUDA_VISIBLE_DEVICES of a run on `devices`: UUIDs, or nothing for the CPU."""
    return ",".join(device.id for device in devices if device.gpu is not None)


def _can_start(home: Path) -> bool:
    return any(waiting.entry and not waiting.entry.held for waiting in queue.waiting_runs(home))


def _log(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Supervise the queue of the home on the command line."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ.pop(VISIBLE_VARIABLE, None)  # of the caller; each run brings its own
    return supervise(Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
