"""Polls of the console: floods, truncation, progress bars."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.tui.run_view.console_feed import INITIAL_MAX_LINES, MAX_LINES, ConsoleFeed


def lines(first: int, count: int) -> str:
    return "".join(f"step {i:>6}  loss 1.2345\n" for i in range(first, first + count))


def test_the_first_poll_returns_all_lines_and_the_next_only_new_ones(tmp_path: Path):
    path = tmp_path / "console.log"
    feed = ConsoleFeed(path)
    assert feed.poll().lines == ()
    path.write_text("one\ntwo\nthr")
    assert feed.poll().lines == ("one", "two")
    with path.open("a") as console:
        console.write("ee\n")
    assert feed.poll().lines == ("three",)
    assert feed.poll().lines == ()


def test_a_flood_keeps_the_newest_lines_and_counts_the_others(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 10))
    feed = ConsoleFeed(path)
    shown, skipped = len(feed.poll().lines), 0
    with path.open("a") as console:
        console.write(lines(10, 20_000))
    result = feed.poll()
    assert result.lines[-1].startswith("step  20009")
    assert len(result.lines) <= MAX_LINES
    shown, skipped = shown + len(result.lines), skipped + result.skipped
    assert result.skipped > 10_000
    assert shown + skipped == 20_010


def test_the_first_poll_of_a_long_console_starts_near_its_end(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 60_000))
    result = ConsoleFeed(path).poll()
    assert result.lines[-1].startswith("step  59999")
    assert len(result.lines) <= INITIAL_MAX_LINES
    assert len(result.lines) + result.skipped == 60_000


def test_a_progress_bar_is_one_unfinished_line(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text("start\n\r 1/9\r 2/9\r 3/9")
    feed = ConsoleFeed(path)
    result = feed.poll()
    assert (result.lines, result.unfinished) == (("start",), " 3/9")
    with path.open("a") as console:
        console.write("\r 9/9\ndone\n")
    result = feed.poll()
    assert (result.lines, result.unfinished) == ((" 9/9", "done"), "")


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 100))
    feed = ConsoleFeed(path)
    feed.poll()
    path.write_text("a new process\n")
    assert feed.poll().lines == ("a new process",)


def test_control_bytes_are_removed(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"\x1b[2Jclear \x1b]0;title\x07\x1b[31mred\x1b[0m\x07\n")
    (line,) = ConsoleFeed(path).poll().lines
    assert line == "clear red"
