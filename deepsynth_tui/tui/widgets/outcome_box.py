"""A box that shows how a run ended and what to do next."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text
from textual.widgets import Static

from deepsynth_tui.tui.run_view.outcome import Outcome
from deepsynth_tui.tui.widgets.label_grid import label_grid


class OutcomeBox(Static):
    """Shows an `Outcome`; hidden while there is none."""

    DEFAULT_CSS = """
    OutcomeBox {
        height: auto;
        max-height: 12;
        padding: 0 1;
        display: none;
        border: round $frame;
        &.-success { border: round $success; }
        &.-warning { border: round $warning; }
        &.-error { border: round $error; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._outcome: Outcome | None = None

    def show(self, outcome: Outcome | None) -> None:
        """Show an outcome, or hide the box if it is None."""
        if outcome == self._outcome:
            return
        self._outcome = outcome
        self.display = outcome is not None
        if outcome is None:
            return
        for name in ("success", "warning", "error"):
            self.set_class(outcome.colour == f"${name}", f"-{name}")
        self.border_title = outcome.title
        self.update(Group(*map(Text, outcome.paragraphs), label_grid(outcome.rows)))
