"""A dataset run as a process of its own."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepsynth_tui.dataset.job import explain
from deepsynth_tui.dataset.writing.partial_dataset import SHARDS
from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory, create_run

DEADLINE = 60.0


def make_run(home: Path, **config: Any) -> RunDirectory:
    text = yaml.safe_dump({"kind": "dataset", "name": "try", **config})
    return create_run(home, kind="dataset", name="try", config_text=text)


def events(run: RunDirectory) -> list[dict[str, Any]]:
    if not run.events.exists():
        return []
    complete_lines = run.events.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in complete_lines.splitlines()]


@contextmanager
def started(run: RunDirectory) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "deepsynth_tui.dataset.job", str(run.path)]
    with run.console.open("ab") as console:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def documents_done(run: RunDirectory) -> int:
    return max((e["done"] for e in events(run) if e["kind"] == "progress"), default=0)


def long_source(tmp_path: Path) -> Path:
    """Write more documents than can be drawn before the test ends."""
    path = tmp_path / "many.jsonl"
    words = "The tide had left a line of foam along the dyke. " * 20
    path.write_text((json.dumps({"text": words}) + "\n") * 20_000)
    return path


def test_a_run_generates_a_dataset(tmp_path: Path):
    run = make_run(tmp_path, source={"path": "builtin:sample"}, page={"preset": "tiny"})
    with started(run) as process:
        assert process.wait(DEADLINE) == 0, run.console.read_text()
    kinds = [event["kind"] for event in events(run)]
    phases = [event["name"] for event in events(run) if event["kind"] == "phase"]
    assert phases[-4:] == ["reading", "drawing", "writing", "done"]
    assert documents_done(run) == 44
    assert kinds[-1] == "done"
    assert events(run)[-1]["verdict"] == "completed"
    assert (run.dataset / "report.json").exists()
    assert run.console.read_text().splitlines() == [
        "builtin:sample: 44 documents, text from column text",
        "drawing with DejaVu Sans Book on 512 x 512 pixels",
        "shard train-00000: 44 documents",
        "44 documents on 44 pages in 44 rows, 0 skipped; the largest row holds 1 images "
        "(document en-01)",
    ]


def test_a_failure_has_a_message_and_advice(tmp_path: Path):
    run = make_run(tmp_path, source={"path": str(tmp_path / "none.csv")})
    with started(run) as process:
        assert process.wait(DEADLINE) == 1
    error = next(event for event in events(run) if event["kind"] == "error")
    assert error["class"] == "SourceError"
    assert "none.csv" in error["message"]
    assert error["advice"]
    assert events(run)[-1]["verdict"] == "failed"


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_killed_run_leaves_no_dataset_and_no_process(tmp_path: Path, num_proc: int):
    run = make_run(
        tmp_path,
        source={"path": str(long_source(tmp_path))},
        page={"preset": "tiny"},
        num_proc=num_proc,
        output={"shard_size": 20},
    )
    with started(run) as process:
        wait_for(lambda: documents_done(run) > 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not processes_of(process.pid))
    assert not run.dataset.exists()
    # With two processes, either shard may be finished first.
    assert list((run.path / "dataset.partial" / SHARDS).glob("train-*.parquet"))


def test_the_processes_of_a_killed_run_do_not_finish_their_shards(tmp_path: Path):
    run = make_run(
        tmp_path,
        source={"path": str(long_source(tmp_path))},
        page={"preset": "tiny"},
        num_proc=2,
        output={"shard_size": 5000},
    )
    with started(run) as process:
        wait_for(lambda: documents_done(run) > 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not processes_of(process.pid))
    assert not list((run.path / "dataset.partial" / SHARDS).glob("train*"))


def processes_of(session: int) -> list[int]:
    """Return the processes that are still alive in the session of the process `session`."""
    alive = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, _, process_session = (
                (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            )
        except (OSError, ValueError):
            continue
        if int(process_session) == session and state != "Z":
            alive.append(int(entry.name))
    return alive


@pytest.mark.parametrize("now", [True, False])
def test_a_run_stops_when_asked(tmp_path: Path, now: bool):
    run = make_run(
        tmp_path,
        source={"path": str(long_source(tmp_path))},
        page={"preset": "tiny"},
        output={"shard_size": 20},
    )
    with started(run) as process:
        wait_for(lambda: documents_done(run) > 0)
        control.request_stop(run, now=now)
        assert process.wait(DEADLINE) == 0
    assert events(run)[-1]["verdict"] == "stopped"
    assert not run.dataset.exists()
    shards = run.path / "dataset.partial" / SHARDS
    assert not list(shards.glob(".*"))
    assert now or list(shards.glob("*.parquet"))


def test_sigterm_stops_a_run_with_several_processes(tmp_path: Path):
    run = make_run(
        tmp_path,
        source={"path": str(long_source(tmp_path))},
        page={"preset": "tiny"},
        num_proc=2,
    )
    with started(run) as process:
        wait_for(lambda: documents_done(run) > 0)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(DEADLINE) == 0, run.console.read_text()
    assert events(run)[-1]["verdict"] == "stopped"


def test_a_full_disk_is_explained(tmp_path: Path):
    (tmp_path / "out.partial").mkdir()
    failure = explain(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "out")
    assert failure.class_name == "NotEnoughSpace"
    assert failure.message == "the disk is full"
    assert str(tmp_path / "out.partial") in failure.advice


def test_other_errors_are_explained(tmp_path: Path):
    denied = PermissionError(errno.EACCES, "Permission denied", "/secret.csv")
    assert explain(denied, tmp_path / "out").message == "/secret.csv: Permission denied"
    assert "num_proc" in explain(MemoryError(), tmp_path / "out").advice
    unknown = explain(ZeroDivisionError("division by zero"), tmp_path / "out")
    assert (unknown.class_name, unknown.message) == ("ZeroDivisionError", "division by zero")
