"""The last step before the terminal: every line that a widget draws passes through it.

Widgets lay out text before it gets here, so that a removed character must not change the width of
a line: the characters in question have no width, and where Rich counts one anyway, spaces fill up.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from deepsynth_tui.terminal_text import is_harmless, remove_hidden


class TerminalFilter(LineFilter):
    """Removes from drawn lines what would act on the terminal instead of being shown."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return `segments`, the same list if nothing has to be removed."""
        if all(map(_is_harmless, segments)):
            return segments
        return [_cleaned(segment) for segment in segments if not segment.control]


def _is_harmless(segment: Segment) -> bool:
    text, style, control = segment
    if control or (style is not None and style.link):
        return False
    return is_harmless(text)


def _cleaned(segment: Segment) -> Segment:
    text, style, _ = segment
    shown = remove_hidden(text).replace("\t", "").replace("\n", "")
    if shown != text and (width := cell_len(text)) != cell_len(shown):
        shown = set_cell_size(shown, width)
    # A link is a sequence with the text of its target in it.
    return Segment(shown, style.update_link(None) if style is not None and style.link else style)
