"""Main memory of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def total_memory() -> int | None:
    """Return the bytes of main memory, None where the system does not report them."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def available_memory(
    proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the available bytes of main memory, None where the system does not report it.

    This is the kernel's ``MemAvailable`` (proc(5)) or, if less, what the limit of a control group
    (as of a container) leaves: the limit minus the usage without file cache.
    """
    meminfo = proc / "meminfo"
    if not meminfo.is_file():
        return None
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    available = 1024 * int(fields["MemAvailable"].split()[0])
    return max(0, min([available, *_available_in_cgroups(proc, cgroups)]))


def _available_in_cgroups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Bytes that each control group of this process leaves of its limit (version 2, then 1)."""
    membership = proc / "self" / "cgroup"
    lines = membership.read_text().splitlines() if membership.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = cgroups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / path.strip("/")
        # In a container the path may be the host's; the container's own group is then the root.
        for folder in (group, *group.parents):
            yield from _available_in(folder, *names)
            if folder == root:
                break


def _available_in(folder: Path, limit: str, usage: str, cache: str) -> Iterator[int]:
    files = (folder / limit, folder / usage, folder / "memory.stat")
    if not all(file.is_file() for file in files):
        return
    maximum, used, stat = (file.read_text() for file in files)
    if maximum.strip() != "max":
        cached = dict(line.split(" ", 1) for line in stat.splitlines()).get(cache, "0")
        yield int(maximum) - int(used) + int(cached)
