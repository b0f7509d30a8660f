"""Did the kernel end a process because main memory ran out? Its OOM killer sends SIGKILL, so the
process itself cannot say; the kernel counts it in the control group, and logs it.

Sources: cgroup v2 `memory.events` and v1 `memory.oom_control` have a line `oom_kill N` (kernel
docs, admin-guide/cgroup-v2 and cgroup-v1/memory); /dev/kmsg holds `Killed process PID (name)`
(mm/oom_kill.c).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
KERNEL_LOG = Path("/dev/kmsg")
_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_MOST = 8192  # bytes: more than any record of the kernel's log


@dataclass(frozen=True, slots=True)
class KillCount:
    """How many processes of a control group the OOM killer had ended, and which file says so."""

    path: str
    kills: int


def read_kill_count(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> KillCount | None:
    """The count of this process's own control group, with v1 and v2; None where there is none."""
    try:
        lines = membership.read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return None
    for path in _files(lines, groups):
        if (kills := _read(path)) is not None:
            return KillCount(str(path), kills)
    return None


def was_killed(
    before: KillCount | None, pid: int | None, launched: float, log: Path = KERNEL_LOG
) -> bool | None:
    """Whether the OOM killer ended process `pid`, which vanished after it was `launched`.

    `before` is the count of its control group when it began. None: this cannot be known here.
    """
    now = _read(Path(before.path)) if before else None
    if before is not None and now is not None:
        return now > before.kills
    return None if pid is None else _logged(pid, launched, log)


def _files(lines: list[str], groups: Path) -> Iterator[Path]:
    """Lines are `number:controllers:path`; in v2 there is one, `0::path`. In a container the path
    may be that of the host, and the group is mounted at the top."""
    for line in lines:
        _, controllers, path = line.split(":", 2)
        inside = path.lstrip("/")
        if "memory" in controllers.split(","):
            yield groups / "memory" / inside / "memory.oom_control"
            yield groups / "memory" / "memory.oom_control"
        elif not controllers:
            yield groups / inside / "memory.events"
            yield groups / "memory.events"


def _read(path: Path) -> int | None:
    try:
        found = _COUNT.search(path.read_text())
    except OSError:  # the group is gone, or may not be read
        return None
    return int(found[1]) if found else None


@lru_cache(maxsize=256)
def _logged(pid: int, launched: float, log: Path) -> bool | None:
    """Whether the kernel's log names the process. Kept: it is asked again with every look at a
    run, and what a dead process died of does not change. `launched` tells pids apart."""
    try:
        file = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    named = re.compile(rb"Killed process %d \(" % pid)
    try:
        return True if any(named.search(record) for record in _records(file)) else None
    finally:
        os.close(file)


def _records(file: int) -> Iterator[bytes]:
    while True:
        try:
            record = os.read(file, _MOST)
        except BlockingIOError:  # that was the newest
            return
        except BrokenPipeError:  # one was overwritten meanwhile; the next read goes on after it
            continue
        except OSError:  # this kernel's log cannot be read
            return
        if not record:
            return
        yield record
