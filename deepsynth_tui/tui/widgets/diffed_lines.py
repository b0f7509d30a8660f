"""Lines of text of which only those that are others are painted."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget


class Lines(Widget):
    """Shows lines. The layout is asked for only when there are more of them, or fewer.

    A figure beside a form changes with every key: what stays is not sent to the terminal again.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Lines { height: auto; width: 100%; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._said: tuple[Content, ...] = ()

    def say(self, lines: Sequence[Content]) -> None:
        """Show these lines."""
        before, self._said = self._said, tuple(lines)
        if len(before) != len(self._said):
            self.refresh(layout=True)
            return
        width = self.size.width
        others = [
            Region(0, y, width, 1)
            for y, (old, new) in enumerate(zip(before, self._said, strict=True))
            if not new.is_same(old)
        ]
        if others:
            self.refresh(*others)

    def render_line(self, y: int) -> Strip:
        # Asked for line by line, and only for those in view that are others.
        if y >= len(self._said):
            return Strip.blank(self.size.width, self.visual_style.rich_style)
        return Visual.to_strips(self, self._said[y], self.size.width, 1, self.visual_style)[0]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._said)
