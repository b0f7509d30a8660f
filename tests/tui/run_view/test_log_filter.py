"""Lines of a log by their level and text."""

from __future__ import annotations

import pytest

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
    assert [reader.level(line) for line, _ in LINES] == [level for _, level in LINES]


@pytest.mark.parametrize(
    ("log_filter", "count", "shown"),
    [
        (LogFilter(), 12, ""),
        (LogFilter("LOSS"), 2, "/LOSS"),
        (LogFilter(level=Level.WARNING), 8, "warnings and errors"),
        (LogFilter(level=Level.ERROR), 6, "errors"),
        (LogFilter("disk", Level.ERROR), 1, "/disk, errors"),
    ],
)
def test_a_filter_shows_lines_of_a_level_with_a_text(
    log_filter: LogFilter, count: int, shown: str
) -> None:
    matches = log_filter.matcher()
    assert sum(matches(line, level) for line, level in LINES) == count
    assert str(log_filter) == shown
    assert bool(log_filter) == bool(shown)
