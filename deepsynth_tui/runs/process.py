"""Identify a process beyond its pid, which is reused: by its start time and the boot.

Read from /proc on Linux; elsewhere (macOS) from `ps` and `sysctl`. `psutil` would do the same, but
`runs` uses the standard library only.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

_HAS_PROC = sys.platform == "linux"


def hostname() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


@cache
def boot_id() -> str:
    """Return an id of this boot of this machine."""
    if _HAS_PROC:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return parse_boottime(_stdout("sysctl", "-n", "kern.boottime"))


@cache
def pid_namespace() -> str:
    """Return an id of the pid namespace: in another container the same pid is another process.
    Empty where there are no namespaces."""
    return str(Path("/proc/self/ns/pid").readlink()) if _HAS_PROC else ""


def process_start(pid: int) -> str | None:
    """Return when a process started, in the system's own format.

    None if there is no such process or it is a zombie, not yet reaped by its parent.
    """
    if not _HAS_PROC:
        return parse_ps(_stdout("ps", "-o", "state=,lstart=", "-p", str(pid)))
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def parse_stat(text: str) -> str | None:
    """Return the start time, in clock ticks since boot, from /proc/PID/stat; None for a zombie.

    proc(5): it is field 22, the state is field 3. The name in field 2 may contain spaces and
    brackets.
    """
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def parse_ps(text: str) -> str | None:
    """Return the start time from `ps -o state=,lstart=`; None for a zombie or no process."""
    state, _, started = text.strip().partition(" ")
    return None if not state or state[0] in "ZX" else " ".join(started.split())


def parse_boottime(text: str) -> str:
    """Return the seconds from `{ sec = 1732265000, usec = 77 } Fri Nov 22 ...`."""
    match = re.search(r"sec = (\d+)", text)
    return match[1] if match else text.strip()


def _stdout(*argv: str) -> str:
    """Return the output of a command. `ps` exits with 1 if there is no process."""
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env).stdout
