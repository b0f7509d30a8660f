"""Whatever a job prints, what a terminal is given is printable text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs.console import LONGEST, ConsoleTail, sanitize

NASTY = st.text(
    st.sampled_from("ab \r\n\t\b\x1b[]0;mKJ?\x07\\\x9b\x9d\x9c\x90PX^_\x7f\x00é\u202e\u2066\ud800"),
    max_size=60,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ü 漢字 🙂", "plain ü 漢字 🙂"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[38:2::1:2:3mtrue\x1b[K", "true"),
        ("\x1b[?25lhidden\x1b[2J\x1b[H", "hidden"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;title\x9ctext\x9b31mred", "textred"),
        ("\x1bPq#0;2\x1b\\image", "image"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x1b(Bcharset\x1b7\x1b=", "charset"),
        ("a\x00b\x07c\x7fd\x85e\x1b", "abcde"),
        ("tab\tx", "tab     x"),
        ("over\b\b\b\bunder", "under"),
        ("\b\bx", "x"),
        ("safe\u202egpj.exe\u2066\u200f", "safegpj.exe"),
        ("a\u2028b", "a b"),
        ("lone \ud800", "lone \ufffd"),
        ("10%\r 50%\r100%", "100%"),
        ("100%\r", "100%"),
        ("\rbar\r\x1b[K", "bar"),
        ("bar\r      \r", "bar"),
        ("windows\r", "windows"),
        ("", ""),
    ],
)
def test_clean(raw: str, shown: str):
    assert sanitize(raw) == shown


def test_long_line_says_what_was_cut():
    assert sanitize("x" * LONGEST) == "x" * LONGEST
    assert sanitize("x" * (LONGEST + 1)) == "x" * LONGEST + " … (+1 characters)"
    assert sanitize("x" * 1_000_000) == "x" * LONGEST + " … (+998000 characters)"


@given(NASTY | st.text())
def test_clean_never_yields_a_control(raw: str):
    shown = sanitize(raw)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not any("\u202a" <= character <= "\u202e" for character in shown)
    assert not any("\u2066" <= character <= "\u2069" for character in shown)


@pytest.mark.parametrize(
    "unit", ["\x1b]", "\x9d", "\x1b[", "\x1b[1;", "\x1bP\x1b", "\b", "\r", "x\r"]
)
def test_hostile_line_of_a_megabyte_is_cleaned(unit: str):
    """Ends at all only when cleaning takes linear time."""
    assert len(sanitize(unit * (1_000_000 // len(unit)))) < 2 * LONGEST


@given(st.lists(NASTY.map(lambda text: text.encode(errors="replace")) | st.binary(max_size=9)))
def test_chunks_show_the_same_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
):
    path = tmp_path_factory.mktemp("console") / "log"
    tail = ConsoleTail(path)
    lines: list[str] = []
    for chunk in chunks:
        with path.open("ab") as file:
            file.write(chunk)
        lines += tail.poll()
        tail.unfinished  # noqa: B018 - looking at it must change nothing
    *whole, rest = b"".join(chunks).decode(errors="replace").split("\n")
    assert lines == [sanitize(line) for line in whole]
    # An unfinished character at the very end is not shown yet.
    assert (
        sanitize(rest).startswith(tail.unfinished) or "\r" in rest or "\b" in rest or "\x1b" in rest
    )


def test_progress_bar_is_one_line_that_changes(tmp_path: Path):
    path, tail = tmp_path / "log", ConsoleTail(tmp_path / "log")
    path.write_bytes(b"start\n 10%|#   |\r 50%|##")
    assert tail.poll() == ["start"]
    assert tail.unfinished == " 50%|##"
    with path.open("ab") as file:
        file.write(b"  |\r100%|####|\nend\n")
    assert tail.poll() == ["100%|####|", "end"]
    assert tail.unfinished == ""


def test_character_split_between_reads(tmp_path: Path):
    path, tail = tmp_path / "log", ConsoleTail(tmp_path / "log")
    path.write_bytes("漢字".encode()[:4])
    assert tail.poll(1) == []
    assert tail.unfinished == "漢"
    path.write_bytes("漢字\n".encode())
    assert tail.poll(1) == ["漢字"]


def test_invalid_bytes_are_marked(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"caf\xe9!\n")
    assert ConsoleTail(tmp_path / "log").poll() == ["caf\ufffd!"]


def test_hour_of_progress_does_not_end_the_reading(tmp_path: Path):
    path, tail = tmp_path / "log", ConsoleTail(tmp_path / "log")
    path.write_bytes(b"".join(b"\r%d/20000" % step for step in range(20001)) + b"\nend\n")
    assert tail.poll() == ["20000/20000", "end"]
    assert tail.poll() == []


def test_from_the_end_counts_what_it_skips(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"one\ntwo\nthree\n")
    tail = ConsoleTail.from_end(tmp_path / "log", 8)
    assert tail.skipped == 5
    assert tail.unfinished == ""
    assert tail.poll() == ["three"]
    with (tmp_path / "log").open("ab") as file:
        file.write(b"four\n")
    assert tail.poll() == ["four"]


def test_new_file_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"one\nhalf")
    tail = ConsoleTail(path)
    assert tail.poll() == ["one"]
    path.write_bytes(b"new\n")
    assert tail.poll() == ["new"]
