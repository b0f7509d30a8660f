"""Whether the kernel killed a process because main memory ran out.

The OOM killer sends SIGKILL, so the process itself cannot report it. The kernel counts such kills
per control group, and logs them.

Sources: cgroup v2 `memory.events` and v1 `memory.oom_control` have a line `oom_kill N` (kernel
docs, admin-guide/cgroup-v2 and cgroup-v1/memory); /dev/kmsg contains `Killed process PID (name)`
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
_MAX_RECORD_BYTES = 8192  # more than any record of the kernel log


@dataclass(frozen=True, slots=True)
class KillCount:
    """How many processes of a control group the OOM killer has killed, according to `path`."""

    path: str
    kills: int


def explain_sigkill(process: str, oom_killed: bool | None) -> str:
    """Return a sentence, without its full stop, on why a process ended by SIGKILL.

    Args:
        process: The subject, such as "Its process" or "Rank 1 (pid 4711)".
        oom_killed: What `was_killed` returned.
    """
    if oom_killed:
        subject = process[0].lower() + process[1:]
        return f"The kernel killed {subject}: the machine or its container ran out of main memory"
    if oom_killed is False:
        return f"{process} was killed by SIGKILL, not out of memory (kernel counter unchanged)"
    return (
        f"{process} was killed by SIGKILL, possibly by the kernel because main memory ran out: "
        "check `dmesg | grep -i kill`"
    )


def read_kill_count(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> KillCount | None:
    """Return the count of this process's control group (v1 or v2); None if there is none."""
    try:
        lines = membership.read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return None
    for path in _counter_files(lines, groups):
        if (kills := _read_count(path)) is not None:
            return KillCount(str(path), kills)
    return None


def was_killed(
    before: KillCount | None, pid: int | None, launched: float, log: Path = KERNEL_LOG
) -> bool | None:
    """Return whether the OOM killer killed a process; None if that cannot be determined.

    Args:
        before: The count of its control group when it started.
        pid: Its process id.
        launched: When it was launched, in seconds since the epoch.
        log: The kernel log, read if there is no counter.
    """
    now = _read_count(Path(before.path)) if before else None
    if before is not None and now is not None:
        return now > before.kills
    return None if pid is None else _is_logged(pid, launched, log)


def _counter_files(lines: list[str], groups: Path) -> Iterator[Path]:
    """Yield files that may hold the count.

    Lines are `number:controllers:path`; v2 has one, `0::path`. In a container the path may be that
    of the host, while the group is mounted at the root.
    """
    for line in lines:
        _, controllers, path = line.split(":", 2)
        relative = path.lstrip("/")
        if "memory" in controllers.split(","):
            yield groups / "memory" / relative / "memory.oom_control"
            yield groups / "memory" / "memory.oom_control"
        elif not controllers:
            yield groups / relative / "memory.events"
            yield groups / "memory.events"


def _read_count(path: Path) -> int | None:
    try:
        match = _COUNT.search(path.read_text())
    except OSError:  # the group is gone, or not readable
        return None
    return int(match[1]) if match else None


@lru_cache(maxsize=256)
def _is_logged(pid: int, launched: float, log: Path) -> bool | None:
    """Return True if the kernel log names the process, else None.

    Cached, since every look at a run asks again and the cause of a death does not change.
    `launched` is part of the key because pids are reused.
    """
    try:
        file = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    pattern = re.compile(rb"Killed process %d \(" % pid)
    try:
        return True if any(pattern.search(record) for record in _records(file)) else None
    finally:
        os.close(file)


def _records(file: int) -> Iterator[bytes]:
    while True:
        try:
            record = os.read(file, _MAX_RECORD_BYTES)
        except BlockingIOError:  # no more records
            return
        except BrokenPipeError:  # a record was overwritten; the next read continues after it
            continue
        except OSError:  # this kernel's log is not readable
            return
        if not record:
            return
        yield record
