"""How a run is put into words: its states, times and sizes. One place, so that all screens agree.

Each state has a symbol of its own, so that it is told apart without colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepsynth_tui.runs.summary import StateName


@dataclass(frozen=True, slots=True)
class StateWord:
    """A symbol, the word beside it, and the theme variable they are coloured with."""

    symbol: str
    word: str
    colour: str


STATES: dict[StateName, StateWord] = {
    "starting": StateWord("○", "starting", "$primary"),
    "waiting": StateWord("◌", "waiting", "$secondary"),
    "running": StateWord("●", "running", "$primary"),
    "stopping": StateWord("◐", "stopping", "$warning"),
    "done": StateWord("✓", "done", "$success"),
    "stopped": StateWord("■", "stopped", "$warning"),
    "failed": StateWord("✗", "failed", "$error"),
    "crashed": StateWord("✗", "crashed", "$error"),
    "unresponsive": StateWord("?", "no answer", "$warning"),
}

PHASES: dict[str, tuple[str, ...]] = {
    "dataset": ("reading", "drawing", "writing"),
    "training": ("loading", "preparing", "training", "evaluating", "saving", "verifying"),
}
"""What a run of each kind goes through. A job may skip some, or report others in between."""


def elapsed(seconds: float) -> str:
    """A time that grows, in steps coarse enough for a screen that rests: 10 s, then minutes."""
    if seconds < 10:
        return "under 10 s"
    if seconds < 60:
        return f"{int(seconds // 10) * 10} s"
    return _hours(int(seconds // 60))


def duration(seconds: float) -> str:
    """A time that is over, to the second up to an hour."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02} s"
    return _hours(round(seconds / 60))


def remaining(seconds: float) -> str:
    """A time to come, no finer than an estimate is."""
    if seconds < 60:
        return f"{max(5, math.ceil(seconds / 5) * 5)} s"
    if seconds < 600:
        minutes, rest = divmod(math.ceil(seconds / 30) * 30, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return _hours(math.ceil(seconds / 60))


def age(seconds: float) -> str:
    """How long ago, in one unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"


def size(number: int) -> str:
    """Bytes in GB or MB of 2^30 and 2^20, as everywhere in this program."""
    return f"{number / 2**30:.1f} GB" if number >= 2**29 else f"{number / 2**20:.0f} MB"


def pace(value: float, unit: str) -> str:
    """`value` units per second; below one, seconds per unit."""
    if value >= 1:
        return f"{value:.1f} {unit}/s"
    return f"{1 / value:.1f} s per {unit.removesuffix('s')}"


def _hours(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
