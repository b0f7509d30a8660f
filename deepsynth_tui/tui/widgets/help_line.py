"""Help on the focused field, below the form."""

from __future__ import annotations

from textwrap import wrap

from textual.content import Content
from textual.widgets import Static


class HelpLine(Static):
    """Description of the focused field in a line, and in another its range, unit and default.

    A problem in place of the description wraps: all of it can be read.
    """

    DEFAULT_CSS = """
    HelpLine {
        height: auto;
        min-height: 2;
        max-height: 7;
        padding: 0 1 0 3;
        background: $surface;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._problem_lines = 0

    def explain(self, description: str, facts: str, problem: str = "") -> None:
        """Show the help of a field; a problem replaces the description."""
        width = max(self.content_size.width, 20)
        if problem:
            first = Content.styled(f"✗ {problem}", "$text-error")
        else:
            first = Content(description).truncate(width, ellipsis=True)
        second = Content.styled(facts, "$muted").truncate(width, ellipsis=True)
        lines = len(wrap(f"✗ {problem}", width)) if problem else 0
        is_other_height = max(lines, 1) != max(self._problem_lines, 1)
        self._problem_lines = lines
        self.update(Content("\n").join([first, second]), layout=is_other_height)
