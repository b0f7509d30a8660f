"""Bytes, counts, durations, rates and prices as text. GiB is 2^30 bytes, MiB 2^20, everywhere."""

from __future__ import annotations

import math

GIB = 2**30
MIB = 2**20
KIB = 2**10


def format_bytes(count: float, *, digits: int = 1) -> str:
    """Return bytes in GiB, or in MiB or KiB where there is less than a tenth of a GiB.

    100 GiB and more, and MiB and KiB, have no decimals unless `digits` asks for more than one.
    """
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= (unit / 10 if unit == GIB else unit):
            value = count / unit
            whole = digits <= 1 and (unit != GIB or value >= 100)
            return f"{value:.{0 if whole else digits}f} {name}"
    return f"{count:.0f} B"


def format_count(count: int) -> str:
    """Return a number of parameters or tokens in thousands, millions or billions: `1.23 B`."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)


def format_number(value: float) -> str:
    """Return a number in two or three digits: 0.3, 4.2, 37, 120."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.05 else "< 0.1"


def format_range(low: float, high: float) -> str:
    """Return a range of numbers, or one number where both ends read the same."""
    first, last = format_number(low), format_number(high)
    return first if first == last else f"{first}–{last}"


def format_percent(fraction: float) -> str:
    """Return a fraction in whole percent."""
    return f"{100 * fraction:.0f} %" if fraction >= 0.005 or fraction == 0 else "< 1 %"


def format_dollars(amount: float) -> str:
    """Return a price in US dollars, with cents below ten dollars."""
    return f"${amount:.0f}" if amount >= 9.995 else f"${amount:.2f}"


def format_rate(value: float, unit: str) -> str:
    """Return `value` units per second; below one, seconds per unit: `4.0 s/step`."""
    if value >= 1:
        return f"{value:.1f} {unit}/s"
    return f"{1 / value:.1f} s/{unit.removesuffix('s')}"


def format_seconds(seconds: float) -> str:
    """Return a calculated time in three digits and one unit: `3.21 s`, `12.5 min`, `4.07 h`."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def format_duration(seconds: float) -> str:
    """Return a time that is over, to the second up to an hour: `2 min 05 s`, `1 h 03 min`."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02} s"
    return _hours(round(seconds / 60))


def format_elapsed(seconds: float) -> str:
    """Return a growing time in coarse steps (10 s, then minutes), so that few frames change."""
    if seconds < 10:
        return "under 10 s"
    if seconds < 60:
        return f"{int(seconds // 10) * 10} s"
    return _hours(int(seconds // 60))


def format_remaining(seconds: float) -> str:
    """Return a predicted time, rounded up to 5 s, 30 s or a minute."""
    if seconds < 60:
        return f"{max(5, math.ceil(seconds / 5) * 5)} s"
    if seconds < 600:
        minutes, rest = divmod(math.ceil(seconds / 30) * 30, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return _hours(math.ceil(seconds / 60))


def format_age(seconds: float) -> str:
    """Return how long ago something was, in one unit; `now` within a minute."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"


def _hours(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
