"""Whether the kernel killed a process because main memory ran out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.liveness import own_status, read_status, write_status
from deepsynth_tui.runs.oom_killer import (
    GROUPS,
    KillCount,
    explain_sigkill,
    read_kill_count,
    was_killed,
)
from deepsynth_tui.runs.summary import summarize

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 0\nmax 12\noom 3\noom_kill {}\noom_group_kill 0\n"
LIMIT = 48 << 20


@pytest.fixture(params=["v1", "v1 in a container", "v2", "v2 in a container"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, Path, str]:
    """A root of control groups, this process's membership, the file that counts, its form."""
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    if request.param.startswith("v1"):
        membership.write_text("9:name=systemd:/\n4:cpu,memory:/jobs/one\n0::/\n")
        inside = "" if "container" in request.param else "jobs/one"
        counts, form = root / "memory" / inside / "memory.oom_control", V1
    else:
        membership.write_text("0::/user.slice/one.scope\n")
        inside = "" if "container" in request.param else "user.slice/one.scope"
        counts, form = root / inside / "memory.events", V2
    counts.parent.mkdir(parents=True)
    counts.write_text(form.format(2))
    return root, membership, counts, form


def test_a_count_that_has_increased(group: tuple[Path, Path, Path, str], tmp_path: Path):
    root, membership, counts, form = group
    before = read_kill_count(root, membership)
    assert before == KillCount(str(counts), 2)
    assert was_killed(before, 1, 0.0, tmp_path / "no log") is False
    counts.write_text(form.format(3))
    assert was_killed(before, 1, 0.0, tmp_path / "no log") is True


def test_the_kernel_log_is_read_without_a_counter(tmp_path: Path):
    log, gone = tmp_path / "kmsg", KillCount(str(tmp_path / "gone"), 0)
    log.write_text(
        "3,900,77,-;Out of memory: Killed process 4711 (python) total-vm:9kB, anon-rss:8kB\n"
    )
    assert was_killed(gone, 4711, 1.0, log) is True
    assert was_killed(None, 471, 1.0, log) is None
    assert was_killed(None, 4711, 1.0, tmp_path / "no log") is None
    assert was_killed(None, None, 1.0, log) is None


def test_no_control_groups(tmp_path: Path):
    assert read_kill_count(tmp_path, tmp_path / "none") is None
    (tmp_path / "cgroup").write_text("0::/\n")
    assert read_kill_count(tmp_path, tmp_path / "cgroup") is None


def test_sentences_about_a_sigkill():
    assert explain_sigkill("Rank 1 (pid 7)", True, note=" (it used 3 GiB)") == (
        "The kernel killed rank 1 (pid 7): the machine or its container ran out of main memory "
        "(it used 3 GiB)"
    )
    assert "not out of memory" in explain_sigkill("Rank 1", False)
    assert "possibly by the kernel" in explain_sigkill("Rank 1", None)


def test_summary_of_an_oom_killed_run(run: RunDirectory, tmp_path: Path):
    counts = tmp_path / "memory.events"
    counts.write_text(V2.format(0))
    status = replace(
        own_status(time.time()),
        process_start="1",
        phase="training",
        kill_count=KillCount(str(counts), 0),
    )
    write_status(run, status)
    assert read_status(run) == status
    summary = summarize(run)
    assert (summary.state, summary.killed_for_memory) == ("crashed", False)
    counts.write_text(V2.format(1))
    summary = summarize(run)
    assert (summary.state, summary.killed_for_memory) == ("crashed", True)
    assert summary.message == explain_sigkill("Its process", True)
    write_status(run, replace(status, boot_id="another"))  # the counts began anew since
    assert summarize(run).killed_for_memory is None


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with little memory, and the file to join it by."""
    for parent, limit in (
        (GROUPS / "memory", "memory.limit_in_bytes"),
        (GROUPS, "memory.max"),
    ):
        group = parent / f"deepsynth-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(LIMIT))
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group with a limit can be made here")


def test_a_process_killed_by_the_kernel(small_group: Path):
    code = (
        "import os, sys\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "from deepsynth_tui.runs.oom_killer import read_kill_count\n"
        "before = read_kill_count()\n"
        "print(before.path, before.kills, flush=True)\n"
        f"held = bytearray(b'x' * {8 * LIMIT})\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(small_group / "cgroup.procs")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    path, kills = process.stdout.split()
    assert path.startswith(str(small_group))
    assert was_killed(KillCount(path, int(kills)), None, 0.0) is True
