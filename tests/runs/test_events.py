"""The log survives being cut anywhere, and reports what it could not write."""

from __future__ import annotations

import errno
import json
import os
import resource
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs.events import EventLog, parse_event
from deepsynth_tui.runs.tail import EventTail

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def read(path: Path) -> list[dict]:
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_bytes().splitlines()]


def test_lines_have_the_envelope_and_the_fields(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        log.write("phase", name="training", detail="")
        log.write("metric", step=1, loss=0.5)
    first, second = read(tmp_path / "e")
    assert first.keys() == {"v", "seq", "t", "kind", "name", "detail"}
    assert (second["v"], second["seq"], second["kind"]) == (1, 2, "metric")
    assert (second["step"], second["loss"]) == (1, 0.5)


def test_write_returns_the_event_as_read(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        written = log.write("sample", input="ü\n\u2028\ud800", target=(1, 2), path=tmp_path)
    read = EventTail(tmp_path / "e").poll()[0]
    assert (read.seq, read.t, read.kind) == (written.seq, written.t, written.kind)
    assert read.data == {"input": "ü\n\u2028\ud800", "target": [1, 2], "path": str(tmp_path)}


def test_nonfinite_numbers_are_null_and_listed(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        log.write("metric", loss=float("nan"), deep={"x": [1.0, float("-inf")]}, fine=2.0)
    (event,) = read(tmp_path / "e")
    assert event["loss"] is None
    assert event["deep"] == {"x": [1.0, None]}
    assert event["nonfinite"] == {"loss": "nan", "deep.x.1": "-inf"}


def test_scalars_of_numpy_are_numbers(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        log.write("metric", step=np.int64(3), loss=np.float32(0.5), bad=np.float32("inf"))
    (event,) = read(tmp_path / "e")
    assert (event["step"], event["loss"], event["bad"]) == (3, 0.5, None)
    assert event["nonfinite"] == {"bad": "inf"}


def test_values_and_names_that_cannot_be_written(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        with pytest.raises(TypeError, match="metric_of: an event cannot contain a Decimal"):
            log.write("metric", metric_of=Decimal(1))
        with pytest.raises(ValueError, match="seq cannot be the name"):
            log.write("metric", seq=1)
        log.write("metric", step=1)
    assert [event["seq"] for event in read(tmp_path / "e")] == [1]


def test_reopening_continues(tmp_path: Path):
    for _ in range(3):
        with EventLog(tmp_path / "e") as log:
            log.write("phase", name="x")
    assert [event["seq"] for event in read(tmp_path / "e")] == [1, 2, 3]


@given(cut=st.integers(min_value=0))
def test_a_log_cut_at_any_byte_can_be_continued(tmp_path_factory: pytest.TempPathFactory, cut: int):
    path = tmp_path_factory.mktemp("log") / "e"
    with EventLog(path) as log:
        for step in range(4):
            log.write("metric", step=step, text="é" * step)
    whole = path.read_bytes()
    cut %= len(whole) + 1
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with EventLog(path) as log:
        log.write("done", verdict="completed")
    events = read(path)
    assert [event["seq"] for event in events] == list(range(1, kept + 2))
    assert events[-1]["kind"] == "done"


def test_torn_line_longer_than_a_block_is_cut(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        log.write("phase", name="x")
        whole = (tmp_path / "e").stat().st_size
        log.write("sample", output="y" * 300_000)
    os.truncate(tmp_path / "e", whole + 200_000)
    with EventLog(tmp_path / "e") as log:
        assert log.write("phase", name="z").seq == 2
    assert [event["name"] for event in read(tmp_path / "e")] == ["x", "z"]


def test_garbage_at_the_end_does_not_reset_seq(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:
        for _ in range(5):
            log.write("phase", name="x")
    with (tmp_path / "e").open("ab") as file:
        file.write(b"\0garbage\n" * 20_000)
    with EventLog(tmp_path / "e") as log:
        assert log.write("phase", name="y").seq == 6


def test_threads_do_not_mix_lines(tmp_path: Path):
    with EventLog(tmp_path / "e") as log:

        def many() -> None:
            for step in range(200):
                log.write("metric", step=step, text="z" * 500)

        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [event["seq"] for event in read(tmp_path / "e")] == list(range(1, 801))


def test_a_full_disk_is_an_error_and_leaves_no_partial_line(tmp_path: Path):
    """A limit on the file's size makes the kernel write a part, as a full disk does."""
    path = tmp_path / "e"
    with EventLog(path) as log:
        log.write("phase", name="x")
        before = path.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        try:
            with pytest.raises(OSError, match="No space left") as caught:
                log.write("sample", output="y" * 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        log.write("done", verdict="completed")
    assert [event["kind"] for event in read(path)] == ["phase", "done"]


def test_durable_events_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(os.fstat(file).st_size))
    with EventLog(tmp_path / "e") as log:
        for kind in ("phase", "metric", "checkpoint", "error", "done"):
            log.write(kind)
    ends = [len(line) for line in (tmp_path / "e").read_bytes().splitlines(keepends=True)]
    assert flushed == [sum(ends[:3]), sum(ends[:4]), sum(ends)]


def test_closed_log_raises(tmp_path: Path):
    log = EventLog(tmp_path / "e")
    log.close()
    log.close()
    with pytest.raises(OSError, match="Bad file"):
        log.write("phase", name="x")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"seq": 1}',
        b'{"seq": "1", "t": 1, "kind": "x"}',
        b'{"seq": true, "t": 1, "kind": "x"}',
        b'{"seq": 1, "t": NaN, "kind": "x"}',
        b'{"seq": 1, "t": 1e999, "kind": "x"}',
        b'{"seq": 1, "t": 1, "kind": 3}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"seq": ' + b"9" * 10_000 + b', "t": 1, "kind": "x"}',
    ],
)
def test_lines_that_are_not_events(line: bytes):
    assert parse_event(line) is None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_parse_never_raises(line: bytes):
    parse_event(line)


def test_unknown_fields_and_kinds_are_kept():
    event = parse_event(b'{"v": 9, "seq": 1, "t": 2, "kind": "new", "more": [1]}')
    assert event is not None
    assert (event.kind, event.t, event.data) == ("new", 2.0, {"more": [1]})


@given(st.dictionaries(st.text().filter(lambda name: name not in "v seq t kind nonfinite"), JSON))
def test_write_read_round_trip(tmp_path_factory: pytest.TempPathFactory, fields: dict):
    path = tmp_path_factory.mktemp("log") / "e"
    with EventLog(path) as log:
        written = log.write("new", **fields)
    (event,) = EventTail(path).poll()
    assert event == written


def test_torn_line_that_could_not_be_cut_off_is_cut_off_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.write("metric", step=1)
        with monkeypatch.context() as full:
            write = os.write
            full.setattr(os, "write", lambda file, data: write(file, data[:9]))
            full.setattr(os, "ftruncate", lambda file, size: os.close(99999))
            with pytest.raises(OSError, match="Bad file"):
                log.write("metric", step=2)
        log.write("metric", step=3)
    assert [event.data["step"] for event in EventTail(path).poll()] == [1, 3]
