"""What stands in a terminal that is too small for anything else: one line, and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from deepsynth_tui.runs.summary import RunSummary


class TooSmall(ModalScreen[None]):
    """Says which size is needed, and how the runs are doing."""

    DEFAULT_CSS = "TooSmall { background: $background; }"

    def __init__(self, needed: tuple[int, int], live: Sequence[RunSummary]) -> None:
        super().__init__()
        self._needed = needed
        self._live = live

    def compose(self) -> ComposeResult:
        runs = " · ".join(f"{run.name}: {run.state}" for run in self._live) or "no run is going on"
        yield Static(f"DeepSynth needs {self._needed[0]}x{self._needed[1]} · {runs}", markup=False)
