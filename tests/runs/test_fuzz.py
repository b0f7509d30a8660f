"""Whatever the files of a run hold: each is read, or refused with the reason."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deepsynth_tui.runs.directory import RunDirectory, RunUnreadable, read_identity, scan_runs
from deepsynth_tui.runs.events import EventLog, parse_event
from deepsynth_tui.runs.liveness import StatusUnreadable, liveness, own_status, read_status
from deepsynth_tui.runs.reduce_events import fold
from deepsynth_tui.runs.state import RunState
from deepsynth_tui.runs.summary import summarize
from deepsynth_tui.runs.tail import EventTail

EXAMPLES = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = (
    st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 1e308, -1, 0, 0.0])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
KINDS = (
    *("phase", "progress", "metric", "memory", "sample", "checkpoint", "warning", "error", "done"),
    "estimate",
    "unknown",
)
NAMES = (
    *("name", "detail", "step", "done", "total", "unit", "epoch", "loss", "learning_rate"),
    *("allocated", "reserved", "device", "input", "target", "output", "when", "path", "message"),
    *("class", "advice", "changes", "verdict", "nonfinite", "trainable", "adapted"),
)
IDENTITY = {
    **{"v": 1, "id": "x", "kind": "training", "name": "x", "created": 1.0, "cwd": "/"},
    **{"after": None, "continues": None},
}


@st.composite
def changed(draw: st.DrawFn, content: dict[str, Any]) -> bytes:
    """Return a JSON object of which some values are others, and some bytes are others."""
    values = dict(content)
    for name in draw(st.lists(st.sampled_from(sorted(content)), max_size=3)):
        values[name] = draw(JSON)
    return draw(damaged(json.dumps(values).encode()))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return the data, perhaps with a part cut out or replaced."""
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, len(data)))
        data = data[:start] + draw(st.binary(max_size=9)) + data[end:]
    return data


@st.composite
def event_lines(draw: st.DrawFn) -> bytes:
    lines = b""
    for number in range(draw(st.integers(1, 6))):
        data = draw(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
        head = {"v": 1, "seq": number + 1, "t": 1.0 + number, "kind": draw(st.sampled_from(KINDS))}
        lines += draw(changed({**data, **head}) | st.just(json.dumps({**data, **head}).encode()))
        lines += b"\n"
    return lines


@EXAMPLES
@given(event_lines())
@example(b'{"v": 1, "seq": 1, "t": 1, "kind": "metric", "step": 1' + b"0" * 400 + b', "loss": 1}\n')
@example(b'{"v": 1, "seq": 1, "t": NaN, "kind": "done", "verdict": []}\n')
@example(
    b'{"v": 1, "seq": 1, "t": 1, "kind": "sample", "input": {}, "target": 1, "output": null}\n'
)
def test_events(lines: bytes) -> None:
    events = [event for line in lines.splitlines() if (event := parse_event(line))]
    state = fold(RunState(), events)
    one_by_one = RunState()
    for event in events:
        one_by_one = fold(one_by_one, [event])
    assert repr(one_by_one) == repr(state)


@EXAMPLES
@given(event_lines())
def test_a_log_in_a_run(tmp_path: Path, lines: bytes) -> None:
    run = RunDirectory("x", tmp_path)
    run.identity.write_text(json.dumps(IDENTITY))
    run.events.write_bytes(lines)
    tail = EventTail(run.events)
    while tail.poll():
        pass
    summarize(run)
    with EventLog(run.events) as log:
        event = log.write("done", verdict="completed")
    assert parse_event(run.events.read_bytes().splitlines()[-1]) == event


@EXAMPLES
@given(changed(asdict(own_status(1.0))))
@example(b"[" * 100_000)
@example(b'{"launched": 1e400}')
@example(b"\xff\xfe{\x00}\x00")
def test_status(tmp_path: Path, content: bytes) -> None:
    run = RunDirectory("x", tmp_path)
    run.status.write_bytes(content)
    with contextlib.suppress(StatusUnreadable):
        status = read_status(run)
        assert status is not None
        liveness(status, time.time())


@EXAMPLES
@given(changed(IDENTITY))
@example(b'{"created": 1e308}')
def test_identity(tmp_path: Path, content: bytes) -> None:
    run = RunDirectory("x", tmp_path / "runs" / "x")
    run.path.mkdir(parents=True, exist_ok=True)
    run.events.touch()
    run.identity.write_bytes(content)
    with contextlib.suppress(RunUnreadable):
        read_identity(run)
    assert len(scan_runs(tmp_path)) == 1
    summarize(run)
