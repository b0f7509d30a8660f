"""Small curves in text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deepsynth_tui.tui.widgets.curves import bar, braille_curve, sparkline, stretch

numbers = st.lists(st.floats(-1e6, 1e6), max_size=60)


def test_a_sparkline_reaches_from_the_lowest_to_the_highest_value() -> None:
    assert sparkline([3, 2, 1, 0], 10) == "█▆▃▁"
    assert sparkline([5, 5], 10) == "▁▁"
    assert sparkline([], 10) == ""


@given(numbers, st.integers(0, 20))
def test_a_sparkline_is_never_wider_than_its_room(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(len(values), width)


@given(numbers, st.integers(0, 20), st.integers(0, 6))
def test_a_braille_curve_has_the_size_asked_for(
    values: list[float], width: int, height: int
) -> None:
    lines = braille_curve(values, width, height)
    assert all(len(line) == width for line in lines)
    assert len(lines) == (height if width else 0)


def test_a_braille_curve_is_joined() -> None:
    assert braille_curve([0, 7], 1, 2) == ["⢸", "⡇"] or braille_curve([0, 7], 1, 2) == ["⢸", "⡸"]


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.integers(0, 60))
def test_stretched_values_keep_both_ends(values: list[float], count: int) -> None:
    stretched = stretch(values, count)
    assert len(stretched) == max(len(values), count)
    assert stretched[0] == values[0]
    assert abs(stretched[-1] - values[-1]) < 1e-5


def test_a_bar_is_drawn_in_eighths() -> None:
    assert [bar(fraction, 4) for fraction in (0, 0.5, 0.53, 1, 7)] == [
        "    ",
        "██  ",
        "██▏ ",
        "████",
        "████",
    ]
