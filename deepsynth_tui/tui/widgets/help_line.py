"""Help on the focused field, below the form."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class HelpLine(Static):
    """Two lines: description (or problem) of the focused field; its range, unit and default."""

    DEFAULT_CSS = """
    HelpLine {
        height: 2;
        padding: 0 1 0 3;
        background: $surface;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def explain(self, description: str, facts: str, problem: str = "") -> None:
        """Show the help of a field; a problem replaces the description."""
        first = Content.styled(f"✗ {problem}", "$text-error") if problem else Content(description)
        help_text = Content("\n").join([first, Content.styled(facts, "$muted")])
        self.update(help_text, layout=False)
