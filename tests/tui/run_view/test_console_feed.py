"""The console at the pace of a screen: floods, truncation, progress bars."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.tui.run_view.console_feed import HISTORY_LINES, MOST_LINES, ConsoleFeed


def lines(first: int, count: int) -> str:
    return "".join(f"step {i:>6}  loss 1.2345\n" for i in range(first, first + count))


def test_what_is_there_at_first_and_then_what_is_appended(tmp_path: Path):
    path = tmp_path / "console.log"
    feed = ConsoleFeed(path)
    assert feed.poll().lines == ()
    path.write_text("one\ntwo\nthr")
    assert feed.poll().lines == ("one", "two")
    with path.open("a") as console:
        console.write("ee\n")
    assert feed.poll().lines == ("three",)
    assert feed.poll().lines == ()


def test_a_flood_is_cut_to_the_newest_and_every_line_is_accounted_for(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 10))
    feed = ConsoleFeed(path)
    shown, skipped = len(feed.poll().lines), 0
    with path.open("a") as console:
        console.write(lines(10, 20_000))
    now = feed.poll()
    assert now.lines[-1].startswith("step  20009")
    assert len(now.lines) <= MOST_LINES
    shown, skipped = shown + len(now.lines), skipped + now.skipped
    assert now.skipped > 10_000
    assert shown + skipped == 20_010


def test_a_long_history_begins_near_its_end(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 60_000))
    now = ConsoleFeed(path).poll()
    assert now.lines[-1].startswith("step  59999")
    assert len(now.lines) <= HISTORY_LINES
    assert len(now.lines) + now.skipped == 60_000


def test_a_progress_bar_is_one_unfinished_line(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text("start\n\r 1/9\r 2/9\r 3/9")
    feed = ConsoleFeed(path)
    now = feed.poll()
    assert (now.lines, now.unfinished) == (("start",), " 3/9")
    with path.open("a") as console:
        console.write("\r 9/9\ndone\n")
    now = feed.poll()
    assert (now.lines, now.unfinished) == ((" 9/9", "done"), "")


def test_a_file_that_was_cut_back_is_read_again(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_text(lines(0, 100))
    feed = ConsoleFeed(path)
    feed.poll()
    path.write_text("a new process\n")
    assert feed.poll().lines == ("a new process",)


def test_control_bytes_do_not_come_through(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"\x1b[2Jclear \x1b]0;title\x07\x1b[31mred\x1b[0m\x07\n")
    (line,) = ConsoleFeed(path).poll().lines
    assert line == "clear red"
