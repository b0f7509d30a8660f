"""A run that cannot be read is one row with the reason; the others are as they were."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deepsynth_tui.runs.control import NotStopped, request_stop
from deepsynth_tui.runs.directory import (
    RunDirectory,
    RunNotFound,
    RunUnreadable,
    create_run,
    find_run,
    list_runs,
    read_identity,
    scan_runs,
)
from deepsynth_tui.runs.errors import RunError
from deepsynth_tui.runs.estimate_vs_measured import read_comparison
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.runs.launch import LaunchError, start_job
from deepsynth_tui.runs.liveness import ENDED, ProcessStatus, own_status, read_status, write_status
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.summary import list_summaries, summarize
from deepsynth_tui.runs.tail import EventTail

DEEP = b"[" * 200_000
STATUS = asdict(own_status(1.0))


def status(**changes: object) -> bytes:
    return json.dumps({**STATUS, **changes}).encode()


def written(name: str, content: bytes) -> Callable[[RunDirectory], object]:
    return lambda run: (run.path / name).write_bytes(content)


def replaced_by_folder(name: str) -> Callable[[RunDirectory], object]:
    def replace(run: RunDirectory) -> None:
        (run.path / name).unlink(missing_ok=True)
        (run.path / name).mkdir()

    return replace


def replaced_by_pipe(name: str) -> Callable[[RunDirectory], object]:
    def replace(run: RunDirectory) -> None:
        (run.path / name).unlink(missing_ok=True)
        os.mkfifo(run.path / name)

    return replace


def closed(name: str) -> Callable[[RunDirectory], object]:
    return lambda run: (run.path / name).chmod(0)


DAMAGE = {
    "identity is torn": (written("run.json", b'{"id": "to'), "not valid JSON"),
    "identity is empty": (written("run.json", b"\0\0"), "run.json is empty"),
    "identity is a list": (written("run.json", b"[]"), "holds no JSON object"),
    "identity is deep": (written("run.json", DEEP), "nested too deeply"),
    "identity has wrong types": (
        written("run.json", b'{"id": 7, "kind": "x", "name": "x", "created": 1, "cwd": "/"}'),
        "no valid `id`",
    ),
    "identity of the year 10^300": (
        written("run.json", b'{"id": "a", "kind": "x", "name": "x", "created": 1e299, "cwd": "/"}'),
        "no valid `created`",
    ),
    "identity without a folder": (
        written("run.json", b'{"id": "a", "kind": "x", "name": "x", "created": 1, "cwd": []}'),
        "no valid `cwd`",
    ),
    "identity is huge": (written("run.json", b" " * (2 << 20)), "larger than 1 MiB"),
    "identity is a folder": (replaced_by_folder("run.json"), "run.json is not a file"),
    "identity is a pipe": (replaced_by_pipe("run.json"), "run.json is not a file"),
    "identity is gone": (lambda run: run.identity.unlink(), "run.json is missing"),
    "status is empty": (written("status.json", b""), "status.json is empty"),
    "status is deep": (written("status.json", DEEP), "nested too deeply"),
    "status has a text for a number": (
        written("status.json", status(launched="now")),
        "no valid `launched`",
    ),
    "status has a huge pid": (written("status.json", status(pid=10**400)), "no valid `pid`"),
    "status has no number": (
        written("status.json", status(heartbeat=float("nan"))),
        "no valid `heartbeat`",
    ),
    "status lists its phase": (written("status.json", status(phase=[])), "no valid `phase`"),
    "status is a folder": (replaced_by_folder("status.json"), "status.json is not a file"),
    "status is a pipe": (replaced_by_pipe("status.json"), "status.json is not a file"),
    "events are a folder": (replaced_by_folder("events.jsonl"), "events.jsonl: is not a file"),
    "events are a pipe": (replaced_by_pipe("events.jsonl"), "events.jsonl: is not a file"),
}
if os.geteuid() != 0:  # root may read everything
    DAMAGE |= {
        "identity of another user": (closed("run.json"), "Permission denied"),
        "status of another user": (closed("status.json"), "status.json: Permission denied"),
        "events of another user": (closed("events.jsonl"), "events.jsonl: Permission denied"),
    }


@pytest.fixture
def good(home: Path) -> RunDirectory:
    return create_run(home, kind="training", name="good", config_text="", now=time.time() + 5)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_run_is_a_row_with_the_reason(
    home: Path, good: RunDirectory, run: RunDirectory, damage: str
):
    with EventLog(run.events) as log:
        log.write("metric", step=1, loss=1.0)
    write_status(run, own_status(time.time()))
    action, reason = DAMAGE[damage]
    action(run)
    assert {summary.id for summary in list_summaries(home)} == {good.id, run.id}
    rows = {summary.id: summary for summary in list_summaries(home)}
    assert rows[good.id].state == "starting"
    assert rows[run.id].state == "unreadable"
    assert reason in rows[run.id].message
    assert not rows[run.id].is_live
    json.dumps(rows[run.id].to_json())
    assert find_run(home, run.id) == run
    if "gone" not in damage:
        assert summarize(run).state == "unreadable"


def test_what_is_no_run_is_not_listed(home: Path, run: RunDirectory):
    root = home / "runs"
    (root / "notes").mkdir()
    (root / "dangling").symlink_to("nowhere")
    (root / "file").write_text("")
    assert [listed.run for listed in scan_runs(home)] == [run]


def test_link_in_a_circle(home: Path, run: RunDirectory):
    (home / "runs" / "circle").symlink_to("circle")
    assert [row.id for row in list_summaries(home) if row.state == "unreadable"] == ["circle"]


def test_list_of_runs_is_not_a_folder(home: Path):
    home.mkdir()
    (home / "runs").write_text("")
    assert list_summaries(home) == []


def test_errors_name_run_and_reason(home: Path, run: RunDirectory):
    run.identity.write_bytes(DEEP)
    with pytest.raises(RunUnreadable, match=rf"{run.id} cannot be read: .*nested"):
        read_identity(run)
    assert list_runs(home) == []
    with pytest.raises(RunNotFound):
        find_run(home, "nothing like it")


def test_fields_of_a_later_version_are_ignored(home: Path, run: RunDirectory):
    mine = own_status(time.time())
    run.status.write_text(json.dumps({**asdict(mine), "gpu": 7, "kill_count": None, "v": 9}))
    read = read_status(run)
    assert read is not None
    assert (read.pid, read.launched) == (mine.pid, mine.launched)
    run.identity.write_text(
        json.dumps({**json.loads(run.identity.read_text()), "colour": "blue", "v": 9})
    )
    assert read_identity(run).name == "My run"
    assert summarize(run).state == "starting"


def test_unreadable_status_is_unknown_not_absent(run: RunDirectory):
    run.status.write_text("{}")
    for action in (lambda: read_status(run), lambda: request_stop(run, now=True)):
        with pytest.raises(RunError, match=r"running is unknown: status\.json has no valid"):
            action()


def test_clock_set_back_during_a_run(run: RunDirectory):
    launched = time.time() + 3600  # an hour later by the clock of that time
    write_status(run, own_status(launched, seq_before=0))
    with EventLog(run.events) as log:
        log.write("phase", name="starting", detail="")
        log.write("done", verdict="completed")
    write_status(run, _ended(launched, seq_before=0))
    assert summarize(run).state == "done"
    # Launched again, it died before its first event.
    write_status(run, _ended(launched, seq_before=2))
    assert summarize(run).state == "crashed"


def test_run_created_before_the_clock_was_set_back(run: RunDirectory):
    assert summarize(run, time.time() - 3600).state == "crashed"


def test_unknown_kind_is_not_started(home: Path):
    later = create_run(home, kind="search", name="x", config_text="")
    with pytest.raises(LaunchError, match="unknown kind 'search'"):
        start_job(later)


ABSURD = 10**400


@pytest.mark.parametrize("value", [ABSURD, -ABSURD, 1e308, 2**70, True, "7", None, [1], {}])
def test_absurd_numbers_in_events(run: RunDirectory, value: object):
    lines = [
        {"kind": "progress", "done": value, "total": value, "unit": "steps"},
        {"kind": "metric", "step": value, "loss": value, "epoch": value, "nonfinite": {"x": value}},
        {"kind": "memory", "allocated": value, "host_peak": value},
        {"kind": "estimate", "allocated": value, "device": value, "seconds_per_step": value},
        {"kind": "measured", "allocated": value, "steps": value, "seconds_per_step": value},
        {"kind": "checkpoint", "path": "x", "step": value},
        {"kind": "phase", "name": "resumed", "step": value},
        {"kind": "sample", "step": value, "page": value},
        {"kind": "done", "verdict": "completed", "rows": value},
    ]
    run.events.write_text(
        "".join(
            json.dumps({"v": 1, "seq": seq, "t": 1.0, **line}) + "\n"
            for seq, line in enumerate(lines, start=1)
        )
    )
    state = fold(RunState(), EventTail(run.events).poll())
    for number in (state.step, state.progress.done, state.memory.allocated):
        assert number is None or abs(number) < 2**63
    assert summarize(run).last_step in (None, 0)
    run.measured.write_text(
        json.dumps({"predicted": lines[3], "measured": {"steps": 1, "allocated": value}})
    )
    read_comparison(run)


def test_damaged_measured_file(run: RunDirectory):
    run.measured.write_bytes(DEEP)
    with pytest.raises(RunUnreadable, match="nested too deeply"):
        read_comparison(run)


def test_stopping_an_ended_run_whose_status_is_gone(run: RunDirectory):
    with pytest.raises(NotStopped, match="never started"):
        request_stop(run, now=True)


def _ended(launched: float, *, seq_before: int) -> ProcessStatus:
    status = own_status(launched, seq_before=seq_before)
    return replace(status, process_start="1", phase=ENDED)
