"""The filter of drawn lines removes characters without moving those beside them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.color import Color

from deepsynth_tui.tui.terminal_filter import TerminalFilter

BLACK = Color(0, 0, 0)


def drawn(*segments: Segment) -> list[Segment]:
    return TerminalFilter().apply(list(segments), BLACK)


def test_harmless_line_is_the_same_object():
    segments = [Segment("plain", Style(bold=True)), Segment(" text")]
    assert TerminalFilter().apply(segments, BLACK) is segments


def test_escapes_joiners_links_and_controls():
    bold = Style(bold=True)
    assert drawn(Segment("a\x1b[2Jb\u202e\x9b", bold)) == [Segment("a[2Jb", bold)]
    assert drawn(Segment("a\u200db")) == [Segment("a")]  # as wide as Rich has counted it
    assert drawn(Segment("━ 日本")) == [Segment("━ 日本")]
    (link,) = drawn(Segment("x", Style(link="http://e\x1b\\")))
    assert (link.text, link.style and link.style.link) == ("x", None)
    assert drawn(Segment("\x1b[2J", None, [(ControlType.CLEAR,)])) == []


@given(st.text())
def test_width_is_that_of_the_layout(text: str):
    (segment,) = drawn(Segment(text))
    assert cell_len(segment.text) == cell_len(text)
    assert "\x1b" not in segment.text
