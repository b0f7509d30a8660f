"""Bytes, counts, times and prices as text."""

from __future__ import annotations

import pytest

from deepsynth_tui.units import (
    GIB,
    KIB,
    MIB,
    format_age,
    format_bytes,
    format_count,
    format_dollars,
    format_duration,
    format_elapsed,
    format_number,
    format_percent,
    format_range,
    format_rate,
    format_remaining,
    format_seconds,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (3 * KIB, "3 KiB"),
        (30 * MIB, "30 MiB"),
        (GIB // 2, "0.5 GiB"),
        (23.45 * GIB, "23.4 GiB"),
        (180 * GIB, "180 GiB"),
    ],
)
def test_bytes_are_in_binary_units(count: float, text: str):
    assert format_bytes(count) == text


def test_counts_have_three_digits():
    counts = [format_count(count) for count in (7, 262_144, 8_900_000, 1_234_567_890)]
    assert counts == ["7", "262 k", "8.9 M", "1.23 B"]


def test_numbers_have_two_or_three_digits():
    numbers = [format_number(value) for value in (0.01, 0.34, 9.94, 9.96, 123.4)]
    assert numbers == ["< 0.1", "0.3", "9.9", "10", "123"]
    assert (format_range(1.0, 2.0), format_range(4.01, 4.04)) == ("1.0–2.0", "4.0")
    assert (format_dollars(0.5), format_dollars(12.4)) == ("$0.50", "$12")
    assert [format_percent(value) for value in (0.631, 0.001, 0)] == ["63 %", "< 1 %", "0 %"]


def test_rates_below_one_are_inverted():
    assert format_rate(2.5, "steps") == "2.5 steps/s"
    assert format_rate(0.25, "steps") == "4.0 s/step"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "under 10 s"), (19.9, "10 s"), (60, "1 min"), (3599, "59 min"), (7260, "2 h 01 min")],
)
def test_elapsed_time_is_coarse(seconds: float, text: str):
    assert format_elapsed(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (4000, "1 h 07 min")],
)
def test_a_duration_is_exact_to_the_second(seconds: float, text: str):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "5 s"), (41, "45 s"), (61, "1 min 30 s"), (119, "2 min"), (5000, "1 h 24 min")],
)
def test_remaining_time_is_rounded_up(seconds: float, text: str):
    assert format_remaining(seconds) == text


def test_calculated_times_and_ages_have_one_unit():
    times = [format_seconds(seconds) for seconds in (3.214, 750, 14652)]
    assert times == ["3.21 s", "12.5 min", "4.07 h"]
    ages = [format_age(seconds) for seconds in (59, 60, 7300, 200_000)]
    assert ages == ["now", "1 min", "2 h", "2 d"]
