"""A run is alive while exactly its process exists and writes heartbeats."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from deepsynth_tui.runs import process
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.liveness import (
    ENDED,
    LOST_AFTER,
    STALE_AFTER,
    START_LIMIT,
    Liveness,
    ProcessStatus,
    StatusUnreadable,
    ended_with_machine,
    is_alive_here,
    is_remote,
    liveness,
    new_status,
    own_status,
    read_status,
    write_status,
)
from deepsynth_tui.runs.lock import RunBusy, claim
from deepsynth_tui.runs.remote_heartbeat import NFS_SECONDS, describe

NOW = 1_000_000.0


@pytest.fixture
def mine() -> ProcessStatus:
    return replace(own_status(NOW), heartbeat=NOW, phase="training")


def test_status_round_trip(run: RunDirectory, mine: ProcessStatus):
    assert read_status(run) is None
    write_status(run, mine)
    assert read_status(run) == mine
    assert [path.name for path in run.path.iterdir() if "status" in path.name] == ["status.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"\0\0\0"])
def test_status_file_after_a_power_cut_is_unknown(run: RunDirectory, content: bytes):
    run.status.write_bytes(content)
    with pytest.raises(StatusUnreadable, match="running is unknown"):
        read_status(run)


def test_fresh_heartbeat_of_a_living_process(mine: ProcessStatus):
    assert liveness(mine, NOW) is Liveness.ALIVE
    assert liveness(mine, NOW + STALE_AFTER) is Liveness.UNRESPONSIVE
    assert liveness(mine, NOW + 5, stale_after=5) is Liveness.UNRESPONSIVE
    # A clock that was set back makes no run silent.
    assert liveness(mine, NOW - 1e6) is Liveness.ALIVE


@pytest.mark.parametrize(
    "other", [{"process_start": "1"}, {"boot_id": "another boot"}, {"pid": 2**22 - 1}]
)
def test_a_pid_alone_is_not_enough(mine: ProcessStatus, other: dict):
    assert is_alive_here(mine)
    assert not is_alive_here(replace(mine, **other))
    assert liveness(replace(mine, **other), NOW) is Liveness.DEAD


def test_launched_without_heartbeat(mine: ProcessStatus):
    before_pid = new_status(NOW)
    assert liveness(before_pid, NOW) is Liveness.STARTING
    assert liveness(before_pid, NOW + STALE_AFTER) is Liveness.DEAD
    silent = replace(mine, heartbeat=None)
    assert liveness(silent, NOW + START_LIMIT - 1) is Liveness.STARTING
    assert liveness(silent, NOW + START_LIMIT) is Liveness.UNRESPONSIVE
    assert liveness(replace(silent, process_start=None), NOW) is Liveness.DEAD


@pytest.mark.parametrize("where", [{"host": "b", "boot_id": "b"}, {"namespace": "pid:[1]"}])
def test_remote_run_is_judged_by_its_heartbeat(mine: ProcessStatus, where: dict):
    there = replace(mine, **where)
    assert is_remote(there)
    assert not is_alive_here(there)
    assert liveness(there, NOW) is Liveness.ALIVE
    assert liveness(replace(there, heartbeat=None), NOW) is Liveness.STARTING
    assert liveness(there, NOW + STALE_AFTER) is Liveness.ALIVE
    assert liveness(there, NOW + STALE_AFTER + NFS_SECONDS) is Liveness.UNRESPONSIVE
    assert liveness(there, NOW + LOST_AFTER) is Liveness.DEAD


@pytest.mark.parametrize(
    ("clock", "stamp", "after", "expected"),
    [
        (-3600, 0, 10, Liveness.ALIVE),  # its clock is behind
        (3600, 0, 10, Liveness.ALIVE),  # its clock is ahead, the run works
        (3600, 0, LOST_AFTER, Liveness.DEAD),  # and is dead
        (0, 3600, LOST_AFTER, Liveness.DEAD),  # the clock of the file server is ahead
        (0, None, LOST_AFTER, Liveness.DEAD),
        (3600, 3600, LOST_AFTER, Liveness.ALIVE),  # ours is behind both: nothing is known
    ],
)
def test_clocks_of_other_hosts(
    mine: ProcessStatus, clock: float, stamp: float | None, after: float, expected: Liveness
):
    there = replace(
        mine,
        host="b",
        boot_id="b",
        heartbeat=NOW + clock,
        written=None if stamp is None else NOW + stamp,
    )
    assert liveness(there, NOW + after) is expected


def test_a_silent_host_is_described(mine: ProcessStatus):
    there = replace(mine, host="n1", boot_id="b", heartbeat=NOW + 180, written=NOW)
    assert describe(there, NOW + 125) == (
        "no heartbeat from n1 for 2 min 05 s (its clock is 3 min 00 s ahead of that of the file)"
    )
    assert describe(replace(there, heartbeat=NOW), NOW + 9) == "no heartbeat from n1 for 9 s"


def test_zombie_is_dead(wait_until):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process.process_start(child.pid) is not None
    child.kill()
    wait_until(lambda: process.process_start(child.pid) is None)
    os.kill(child.pid, 0)  # it is still there, uncollected
    child.communicate()


def test_process_names_with_spaces_and_brackets():
    after_name = "S 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 0"
    assert process.parse_stat(f"77 (a) Z 1 (b)) {after_name}") == "4242"
    assert process.parse_stat(f"77 (x) {after_name.replace('S', 'Z', 1)}") is None


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps on this machine")
def test_ps_replaces_proc(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "_HAS_PROC", False)
    first = process.process_start(os.getpid())
    assert first is not None
    assert first == process.process_start(os.getpid())
    assert process.process_start(2**22 - 1) is None
    assert process.parse_ps("Z+   Sun Nov 22 17:22:33 2026\n") is None
    assert process.parse_ps("Ss   Sun Nov  2 17:22:33 2026\n") == "Sun Nov 2 17:22:33 2026"


def test_boot_time_on_macos():
    text = "{ sec = 1732265000, usec = 77 } Fri Nov 22 09:43:20 2024\n"
    assert process.parse_boottime(text) == "1732265000"


def test_machine_ids_are_the_same_in_every_process():
    code = "from deepsynth_tui.runs.process import *; print(hostname(), boot_id(), pid_namespace())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == [process.hostname(), process.boot_id(), process.pid_namespace()]


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ({"boot_id": "earlier"}, True),
        ({}, False),
        ({"boot_id": "earlier", "host": "a"}, False),
        ({"boot_id": "earlier", "host": "~"}, False),
        ({"boot_id": "earlier", "phase": ENDED}, False),
    ],
)
def test_a_process_ends_with_its_machine(mine: ProcessStatus, change: dict[str, str], ended: bool):
    assert ended_with_machine(replace(mine, **change)) == ended


def test_a_job_that_holds_no_lock_keeps_the_run(run: RunDirectory, mine: ProcessStatus):
    """A job of an earlier version. Its pid is above that of the process that asks, or below."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for pid in (child.pid, os.getppid()):
            write_status(run, replace(new_status(time.time(), pid), phase="training"))
            with pytest.raises(RunBusy, match=f"pid {pid}"):
                claim(run)
    finally:
        child.communicate(b"\n")


def test_a_lock_that_was_handed_over_is_not_given_back(run: RunDirectory):
    with claim(run) as run_lock:
        run_lock.hand_over()
    claim(run).release()


@pytest.mark.parametrize("boot_id", ["", "0", "zzz"])
def test_a_process_of_another_host_is_remote(mine: ProcessStatus, boot_id: str):
    assert is_remote(replace(mine, host="gpu-7", boot_id=boot_id))
    assert not is_remote(replace(mine, host="gpu-7"))
