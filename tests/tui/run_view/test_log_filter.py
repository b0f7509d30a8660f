"""Lines of a log by their level and text."""

from __future__ import annotations

import pytest

from deepsynth_tui.tui.run_view import log_filter
from deepsynth_tui.tui.run_view.log_filter import Level, LevelReader, LogFilter

LINES = [
    ("step 1/10  loss 0.5  held-out error rate 3 %", Level.ANY),
    ("/x/y.py:3: UserWarning: the thing is odd", Level.WARNING),
    ("WARNING: no glyph", Level.WARNING),
    ("Traceback (most recent call last):", Level.ERROR),
    ('  File "x.py", line 3, in f', Level.ERROR),
    ("    return 1 / 0", Level.ERROR),
    ("ZeroDivisionError: division by zero", Level.ERROR),
    ("step 2/10  loss 0.4", Level.ANY),
    ("torch.OutOfMemoryError: CUDA out of memory", Level.ERROR),
    ("Error: the disk is full", Level.ERROR),
    ("character errors 3.7%", Level.ANY),
    ("", Level.ANY),
]


def test_levels_are_read_from_the_words_of_a_line() -> None:
    reader = LevelReader()
    assert reader.levels([line for line, _ in LINES]) == [level for _, level in LINES]


def test_levels_do_not_depend_on_how_the_lines_arrive() -> None:
    reader = LevelReader()
    assert [level for line, _ in LINES for level in reader.levels([line])] == [
        level for _, level in LINES
    ]


@pytest.mark.parametrize(
    "line",
    [
        "my.ValueError: x",
        "KeyException here",
        "12:00 CRITICAL x",
        "FATAL",
        "  Fatal: x",
        "ERROR x",
        "Out Of Memory",
        "Fatal Python error: Segmentation fault",
    ],
)
def test_every_word_of_an_error_is_searched(line: str) -> None:
    assert LevelReader().levels(["quiet", line]) == [Level.ANY, Level.ERROR]


@pytest.mark.parametrize("line", ["WARN x", "FutureWarning: y", "it is Deprecated", "warning"])
def test_every_word_of_a_warning_is_searched(line: str) -> None:
    assert LevelReader().levels(["quiet", line]) == [Level.ANY, Level.WARNING]


def test_lines_without_such_words_are_not_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of 5,000 lines a second is read in the thread that draws."""

    class Pattern:
        def search(self, line: str) -> None:
            raise AssertionError(f"matched {line!r}")

    for name in ("_ERROR", "_WARNING", "_TRACEBACK"):
        monkeypatch.setattr(log_filter, name, Pattern())
    lines = [f"line {number} of a log with some text in it" for number in range(1000)]
    assert set(LevelReader().levels(lines)) == {Level.ANY}


@pytest.mark.parametrize(
    ("shows", "count", "shown"),
    [
        (LogFilter(), 12, ""),
        (LogFilter("LOSS"), 2, "/LOSS"),
        (LogFilter(level=Level.WARNING), 8, "warnings and errors"),
        (LogFilter(level=Level.ERROR), 6, "errors"),
        (LogFilter("disk", Level.ERROR), 1, "/disk, errors"),
    ],
)
def test_a_filter_shows_lines_of_a_level_with_a_text(
    shows: LogFilter, count: int, shown: str
) -> None:
    matches = shows.matcher()
    assert sum(matches(line, level) for line, level in LINES) == count
    assert str(shows) == shown
    assert bool(shows) == bool(shown)
