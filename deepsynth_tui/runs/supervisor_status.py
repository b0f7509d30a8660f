"""What the supervisor of the queue says about itself: `queue/supervisor.json` under the home.

Its lock says whether it exists. It removes the file when it ends because nothing waits; a file
without a lock is that of a supervisor that was killed, or ended with the machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deepsynth_tui.runs import atomic, file_lock
from deepsynth_tui.runs.json_file import BadContent, Fields, read_object


@dataclass(frozen=True, slots=True)
class SupervisorStatus:
    """The process, when it started (seconds since the epoch), and why each run waits, by its id."""

    pid: int
    started: float
    reasons: Mapping[str, str] = field(default_factory=dict)


def supervisor_lock(home: Path) -> Path:
    """Return the file that a supervisor locks while it lives."""
    return home / "queue" / "supervisor.lock"


def is_supervised(home: Path) -> bool:
    """Return whether there is a supervisor."""
    return file_lock.is_locked(supervisor_lock(home))


def read_supervisor(home: Path) -> SupervisorStatus | None:
    """Return what the last supervisor wrote, None if it wrote nothing or ended by itself."""
    path = _path(home)
    try:
        content = Fields(read_object(path), path.name)
        return SupervisorStatus(
            content.integer("pid"), content.number("started"), content.texts("reasons")
        )
    except (OSError, BadContent):
        return None


def write_supervisor(home: Path, status: SupervisorStatus) -> None:
    """Replace what the supervisor says. Raises OSError."""
    content = {"v": 1, "pid": status.pid, "started": status.started, "reasons": status.reasons}
    atomic.replace(_path(home), json.dumps(content).encode() + b"\n")


def remove_supervisor(home: Path) -> None:
    """Say that the supervisor ended by itself."""
    _path(home).unlink(missing_ok=True)


def _path(home: Path) -> Path:
    return home / "queue" / "supervisor.json"
