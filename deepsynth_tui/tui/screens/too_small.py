"""The screen for a terminal that is too small for any other: one line, with the live runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from deepsynth_tui.tui.calm_screen import CalmModalScreen

if TYPE_CHECKING:
    from deepsynth_tui.runs.summary import RunSummary


class TooSmall(CalmModalScreen[None]):
    """Shows the size that is needed, and the state of every live run."""

    DEFAULT_CSS = "TooSmall { background: $background; }"

    def __init__(self, minimum_size: tuple[int, int], live_runs: Sequence[RunSummary]) -> None:
        super().__init__()
        self._minimum_size = minimum_size
        self._live_runs = live_runs

    def compose(self) -> ComposeResult:
        width, height = self._minimum_size
        runs = " · ".join(f"{run.name}: {run.state}" for run in self._live_runs)
        text = f"DeepSynth needs {width}x{height} · {runs or 'no active runs'}"
        yield Static(text, markup=False)
