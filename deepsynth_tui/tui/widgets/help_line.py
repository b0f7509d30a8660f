"""Two lines about the focused field: what it means, and what it takes."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class HelpLine(Static):
    """Meaning, unit, range and default of the field that has the focus."""

    DEFAULT_CSS = """
    HelpLine {
        height: 2;
        padding: 0 1 0 3;
        background: $surface;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def explain(self, meaning: str, facts: str, problem: str = "") -> None:
        """Say what a field is for; where it has a problem, that comes first."""
        first = Content.styled(f"✗ {problem}", "$text-error") if problem else Content(meaning)
        said = Content("\n").join([first, Content.styled(facts, "$muted")])
        self.update(said, layout=False)
