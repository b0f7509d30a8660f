"""Whatever a job prints, a terminal gets printable text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.runs import console
from deepsynth_tui.runs.console import MAX_CHARACTERS, ConsoleTail, sanitize

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
def test_sanitize(raw: str, shown: str):
    assert sanitize(raw) == shown


def test_a_long_line_has_the_number_of_characters_cut():
    assert sanitize("x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS
    assert sanitize("x" * (MAX_CHARACTERS + 1)) == "x" * MAX_CHARACTERS + " … (+1 characters)"
    assert sanitize("x" * 1_000_000) == "x" * MAX_CHARACTERS + " … (+998000 characters)"


@given(NASTY | st.text())
def test_sanitize_removes_all_control_characters(raw: str):
    shown = sanitize(raw)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not any("\u202a" <= character <= "\u202e" for character in shown)
    assert not any("\u2066" <= character <= "\u2069" for character in shown)


@pytest.mark.parametrize(
    "unit", ["\x1b]", "\x9d", "\x1b[", "\x1b[1;", "\x1bP\x1b", "\b", "\r", "x\r"]
)
def test_a_hostile_line_of_a_megabyte(unit: str):
    """Ends at all only when cleaning takes linear time."""
    assert len(sanitize(unit * (1_000_000 // len(unit)))) < 2 * MAX_CHARACTERS


@given(st.lists(NASTY.map(lambda text: text.encode(errors="replace")) | st.binary(max_size=9)))
def test_chunks_give_the_same_lines(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]):
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


def test_long_progress_output_does_not_end_polling(tmp_path: Path):
    path, tail = tmp_path / "log", ConsoleTail(tmp_path / "log")
    path.write_bytes(b"".join(b"\r%d/20000" % step for step in range(20001)) + b"\nend\n")
    assert tail.poll() == ["20000/20000", "end"]
    assert tail.poll() == []


def test_starting_near_the_end_counts_skipped_bytes(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"one\ntwo\nthree\n")
    tail = ConsoleTail(tmp_path / "log", last=8)
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


def test_lines_without_control_characters_are_taken_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A log of 5,000 lines a second is read beside the thread that draws."""
    path = tmp_path / "console.log"
    lines = [f"line {number} of a log, ü and 漢字" for number in range(500)]
    path.write_text("\n".join(["", "   ", *lines, "x" * MAX_CHARACTERS, "the "]))
    fed: list[str] = []
    real = console._Line.feed
    monkeypatch.setattr(
        console._Line, "feed", lambda self, piece: fed.append(piece) or real(self, piece)
    )
    tail = ConsoleTail(path)
    assert tail.poll() == ["", "", *lines, "x" * MAX_CHARACTERS]
    assert fed == ["the "]
    with path.open("a") as file:
        file.write("end\n")
    assert tail.poll() == ["the end"]
