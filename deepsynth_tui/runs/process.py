"""Which process is this, really? A pid alone is reused; with its start time and boot it is not.

Linux tells through /proc; elsewhere (macOS) `ps` and `sysctl` are asked.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

_PROC = sys.platform == "linux"


def hostname() -> str:
    """This machine's name."""
    return socket.gethostname()


@cache
def boot_id() -> str:
    """Identifies this boot of this machine."""
    if _PROC:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return parse_boottime(_output("sysctl", "-n", "kern.boottime"))


@cache
def pid_namespace() -> str:
    """Identifies the container: inside another one the same pid is another process. "" where
    there are none."""
    return str(Path("/proc/self/ns/pid").readlink()) if _PROC else ""


def process_start(pid: int) -> str | None:
    """When this process started, in the system's own words; None when there is no such process
    or it is a zombie, dead but not yet collected by its parent."""
    if not _PROC:
        return parse_ps(_output("ps", "-o", "state=,lstart=", "-p", str(pid)))
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def parse_stat(text: str) -> str | None:
    """Start time in clock ticks since boot from /proc/PID/stat (proc(5): field 22, where field 3
    is the state), None for a zombie. The name in field 2 may hold spaces and brackets."""
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def parse_ps(text: str) -> str | None:
    """Start time from `ps -o state=,lstart=`, None for a zombie or no process at all."""
    state, _, started = text.strip().partition(" ")
    return None if not state or state[0] in "ZX" else " ".join(started.split())


def parse_boottime(text: str) -> str:
    """The seconds from `{ sec = 1732265000, usec = 77 } Fri Nov 22 ...`."""
    found = re.search(r"sec = (\d+)", text)
    return found[1] if found else text.strip()


def _output(*argv: str) -> str:
    """Standard output of a command; `ps` exits 1 with nothing on it when there is no process."""
    env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env).stdout
