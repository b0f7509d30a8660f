"""The lock of a GPU, or of the CPU: a run of the queue holds it for its life.

The supervisor of the queue takes it and the job inherits it, so that it is free again at the moment
in which the job ends, however it ends.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from deepsynth_tui.runs import file_lock
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.file_lock import FileLock

CPU = "cpu"
"""The id of the CPU, which trains one run at a time. That of a GPU is its UUID."""
DESCRIPTORS_VARIABLE = "DEEPSYNTH_DEVICE_LOCKS"
"""Environment variable that tells a job the descriptors of the locks it inherits."""


def try_hold(home: Path, device: str, run: RunDirectory, *, label: str = "") -> FileLock | None:
    """Take the lock of a device, which people know as `label`, for `run`; None if another run holds
    it."""
    held = file_lock.try_lock(_path(home, device))
    if held is not None:
        os.ftruncate(held.file, 0)
        os.pwrite(held.file, f"{run.id}\n{label or device}\n".encode(), 0)
    return held


def holder(home: Path, device: str) -> str | None:
    """Return the id of the run that holds a device, None if it is free."""
    held = _read_held(_path(home, device))
    return held[0] if held else None


def held_devices(home: Path) -> list[tuple[str, str]]:
    """Return the id of the run and the label of each device that is held, by device."""
    paths = sorted((home / "queue" / "devices").glob("*.lock"))
    return [held for path in paths if (held := _read_held(path))]


def _read_held(path: Path) -> tuple[str, str] | None:
    if not file_lock.is_locked(path):
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    run, label = lines if len(lines) == 2 else ("a run", path.stem)
    return run, label


def keep_inherited() -> None:
    """Hold the locks that the supervisor has left to this process until it ends."""
    file_lock.inherited(DESCRIPTORS_VARIABLE)


def _path(home: Path, device: str) -> Path:
    return home / "queue" / "devices" / f"{re.sub(r'[^A-Za-z0-9.-]', '_', device)}.lock"
