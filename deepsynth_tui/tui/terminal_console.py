"""A Rich console whose texts cannot act on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from deepsynth_tui.terminal_text import remove_hidden


class TerminalConsole(Console):
    """Prints what `rich.console.Console` prints, without what is not shown. Styles stay."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of `renderable`, cleaned."""
        for segment in super().render(renderable, options):
            yield Segment(remove_hidden(segment.text), segment.style)
