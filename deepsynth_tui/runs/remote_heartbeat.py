"""How long a process on another host has been silent, where only a disk is shared.

Three clocks may differ: that of the process, which writes the time of its heartbeat, that of the
file server, which stamps the file, and that of the reader. A time in the future is not used. Of two
times in the past the later one counts: a run that works must not look dead.
"""

from __future__ import annotations

from typing import Protocol

from deepsynth_tui.units import format_duration

NFS_SECONDS = 60.0
"""How much later a reader may see a file on NFS: acregmax of nfs(5), 60 s by default."""
CLOCK_SECONDS = 5.0
"""Differences between clocks up to this are not mentioned."""


class Beat(Protocol):
    """The part of a `ProcessStatus` that tells when its process reported last.

    `written` is when the file was stamped, None where that is unknown.
    """

    @property
    def launched(self) -> float: ...
    @property
    def heartbeat(self) -> float | None: ...
    @property
    def written(self) -> float | None: ...
    @property
    def host(self) -> str: ...


def silence(status: Beat, now: float) -> float:
    """Return the seconds since the process reported last; below 0 if all clocks are ahead."""
    beat = status.launched if status.heartbeat is None else status.heartbeat
    ages = [now - beat] if status.written is None else [now - beat, now - status.written]
    past = [age for age in ages if age >= -CLOCK_SECONDS]
    return min(past) if past else max(ages)


def describe(status: Beat, now: float) -> str:
    """Return `no heartbeat from n1 for 2 min 05 s`, with the difference of its clock if any."""
    text = f"no heartbeat from {status.host} for {format_duration(silence(status, now))}"
    if status.heartbeat is None or status.written is None:
        return text
    ahead = status.heartbeat - status.written
    if abs(ahead) <= CLOCK_SECONDS:
        return text
    word = "ahead of" if ahead > 0 else "behind"
    return f"{text} (its clock is {format_duration(abs(ahead))} {word} that of the file)"
