"""How run states and phases are named on screen. Every state has its own symbol, so that it can be
recognised without colour."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deepsynth_tui.runs.summary import StateName

_DATE = re.compile(r"\d{8}-\d{6}-")


@dataclass(frozen=True, slots=True)
class StateLabel:
    """Symbol, text and theme colour of a state."""

    symbol: str
    text: str
    colour: str


STATE_LABELS: dict[StateName, StateLabel] = {
    "queued": StateLabel("◔", "queued", "$secondary"),
    "starting": StateLabel("○", "starting", "$primary"),
    "waiting": StateLabel("◌", "waiting", "$secondary"),
    "running": StateLabel("●", "running", "$primary"),
    "stopping": StateLabel("◐", "stopping", "$warning"),
    "done": StateLabel("✓", "done", "$success"),
    "stopped": StateLabel("■", "stopped", "$warning"),
    "failed": StateLabel("✗", "failed", "$error"),
    "crashed": StateLabel("✗", "crashed", "$error"),
    "unresponsive": StateLabel("?", "no response", "$warning"),
    "unreadable": StateLabel("!", "unreadable", "$error"),
}

PHASES: dict[str, tuple[str, ...]] = {
    "dataset": ("reading", "drawing", "writing"),
    "training": ("loading", "preparing", "training", "evaluating", "saving", "verifying"),
}
"""Phases of each kind of run, in order. A job may skip some, or report others in between."""


def without_date(run_id: str) -> str:
    """Return the id of a run without the date that it begins with: columns are narrow."""
    return _DATE.sub("", run_id, count=1)
