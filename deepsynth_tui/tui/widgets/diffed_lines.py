"""Lines of text that repaint only where they change."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget


class DiffedLines(Widget):
    """Shows lines of text. Requests a layout only when the number of lines changes.

    A panel beside a form is updated with every key: unchanged lines are not sent to the terminal.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    DiffedLines { height: auto; width: 100%; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._lines: tuple[Content, ...] = ()

    def update(self, lines: Sequence[Content]) -> None:
        """Show these lines."""
        previous, self._lines = self._lines, tuple(lines)
        if len(previous) != len(self._lines):
            self.refresh(layout=True)
            return
        width = self.size.width
        changed = [
            Region(0, y, width, 1)
            for y, (old, new) in enumerate(zip(previous, self._lines, strict=True))
            if not new.is_same(old)
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        # Textual calls this for visible lines in a refreshed region only.
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return Visual.to_strips(self, self._lines[y], self.size.width, 1, self.visual_style)[0]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines)
