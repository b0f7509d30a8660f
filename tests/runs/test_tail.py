"""Reading from an offset: nothing twice, nothing torn, whatever happens to the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs import tail as tail_module
from deepsynth_tui.runs.events import UNREADABLE, EventLog
from deepsynth_tui.runs.tail import EventTail, LineTail


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def drain(tail: LineTail, max_bytes: int = 65536) -> list[bytes]:
    lines: list[bytes] = []
    while batch := tail.poll(max_bytes):
        lines += batch
    return lines


def test_file_that_does_not_exist_yet(tmp_path: Path):
    tail = LineTail(tmp_path / "not" / "yet")
    assert tail.poll() == []
    (tmp_path / "not").mkdir()
    append(tmp_path / "not" / "yet", b"one\n")
    assert tail.poll() == [b"one"]


def test_an_unfinished_line_is_not_returned(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"one\ntw")
    assert tail.poll() == [b"one"]
    assert tail.poll() == []
    append(path, b"o\n\n")
    assert tail.poll() == [b"two", b""]
    assert tail.poll() == []


def test_batches_end_at_lines(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"aaaa\nbbbb\ncccc\n")
    assert tail.poll(11) == [b"aaaa", b"bbbb"]
    assert tail.offset == 10
    assert tail.poll(11) == [b"cccc"]


def test_line_longer_than_a_batch_is_returned_whole(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"x" * 1000)
    assert tail.poll(16) == []
    append(path, b"\nnext\n")
    assert drain(tail, 16) == [b"x" * 1000, b"next"]


def test_line_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tail_module, "LONGEST_LINE", 64)
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"x" * 200 + b"\nend\n")
    lines = drain(tail, 16)
    assert b"".join(lines) == b"x" * 200 + b"end"
    assert lines[-1] == b"end"


def test_truncated_file_is_read_again(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"one\ntwo\n")
    drain(tail)
    path.write_bytes(b"new\n")
    assert drain(tail) == [b"new"]


def test_replaced_file_is_read_again_even_if_longer(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"one\n")
    drain(tail)
    append(tmp_path / "g", b"another, and longer\n")
    (tmp_path / "g").replace(path)
    assert drain(tail) == [b"another, and longer"]


def test_removed_file_has_nothing_new_until_it_returns(tmp_path: Path):
    path, tail = tmp_path / "f", LineTail(tmp_path / "f")
    append(path, b"one\n")
    drain(tail)
    path.rename(tmp_path / "away")
    assert tail.poll() == []
    append(path, b"again\n")
    assert drain(tail) == [b"again"]


def test_torn_line_may_be_cut_off_by_the_writer(tmp_path: Path):
    path = tmp_path / "f"
    with EventLog(path) as log:
        log.write("phase", name="a")
    append(path, b'{"seq": 2, "t": 0, "ki')
    tail = EventTail(path)
    assert [event.data["name"] for event in tail.poll()] == ["a"]
    with EventLog(path) as log:
        log.write("phase", name="b" * 100)
    assert [event.data["name"] for event in tail.poll()] == ["b" * 100]


@pytest.mark.parametrize(
    ("last", "lines"),
    [(0, []), (1, []), (3, []), (4, [b"two"]), (5, [b"two"]), (8, [b"one", b"two"]), (99, None)],
)
def test_starting_near_the_end_begins_with_a_complete_line(
    tmp_path: Path, last: int, lines: list[bytes] | None
):
    append(tmp_path / "f", b"one\ntwo\n")
    tail = LineTail(tmp_path / "f", last=last)
    assert drain(tail) == ([b"one", b"two"] if lines is None else lines)
    append(tmp_path / "f", b"three\n")
    assert drain(tail) == [b"three"]


def test_starting_within_an_unfinished_line(tmp_path: Path):
    append(tmp_path / "f", b"one\n" + b"x" * 50)
    tail = LineTail(tmp_path / "f", last=10)
    assert tail.poll() == []
    append(tmp_path / "f", b"\nthree\n")
    assert drain(tail) == [b"three"]


def test_unreadable_lines_are_events(tmp_path: Path):
    append(tmp_path / "f", b'garbage\n{"seq": 1, "t": 1, "kind": "new"}\n')
    bad, good = EventTail(tmp_path / "f").poll()
    assert (bad.seq, bad.kind, bad.data) == (0, UNREADABLE, {"excerpt": "garbage"})
    assert good.kind == "new"


@given(
    st.lists(st.binary(max_size=12), max_size=12),
    st.integers(min_value=1, max_value=20),
)
def test_chunks_of_any_size_give_all_lines(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], max_bytes: int
):
    path = tmp_path_factory.mktemp("tail") / "f"
    tail = LineTail(path)
    lines: list[bytes] = []
    for chunk in chunks:
        append(path, chunk)
        lines += drain(tail, max_bytes)
    assert lines == b"".join(chunks).split(b"\n")[:-1]


def test_a_line_of_the_greatest_length_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepsynth_tui.runs.tail.LONGEST_LINE", 10)
    append(tmp_path / "f", b"x" * 9)
    tail = LineTail(tmp_path / "f")
    assert tail.poll() == []
    append(tmp_path / "f", b"x")
    assert tail.poll() == [b"x" * 10]
