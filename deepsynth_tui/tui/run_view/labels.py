"""How run states and phases are named on screen. Every state has its own symbol, so that it can be
recognised without colour."""

from __future__ import annotations

from dataclasses import dataclass

from deepsynth_tui.runs.summary import StateName


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
