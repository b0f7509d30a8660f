"""An emulator shows the same whether all cells are written or only the changed ones."""

from __future__ import annotations

from collections.abc import Iterable

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from pyte.screens import Char
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import ControlType, Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from deepsynth_tui.tui.terminal_cells import TerminalCells, placed_strips
from deepsynth_tui.tui.terminal_pen import DEFAULT_PEN, change_pen, pen_of

COLOUR_SYSTEMS = ("standard", "256", "truecolor")
COLOURS = (None, "default", "red", "bright_blue", "color(196)", "#123456", "#ffee11")

styles = st.none() | st.builds(
    Style,
    color=st.sampled_from(COLOURS),
    bgcolor=st.sampled_from(COLOURS),
    bold=st.sampled_from((None, True, False)),
    dim=st.sampled_from((None, True)),
    italic=st.sampled_from((None, True)),
    underline=st.sampled_from((None, True)),
    reverse=st.sampled_from((None, True)),
    strike=st.sampled_from((None, True)),
)
# Characters whose width pyte and Rich count alike; "e" + U+0301 takes one cell.
texts = st.text(st.sampled_from("aab  ─⠿é漢字"), max_size=12) | st.just("cafe\u0301")
segments = st.builds(Segment, texts, styles, st.none())


@st.composite
def updates(draw, size: Size):
    """Draw a full update, or a partial one of spans in a few lines."""
    width, height = size

    def strip(length: int) -> Strip:
        return Strip(draw(st.lists(segments, max_size=4))).adjust_cell_length(length)

    if draw(st.booleans()):
        cut = draw(st.integers(1, width - 1))
        lines: list[Iterable[Strip]] = [[strip(cut), strip(width - cut)] for _ in range(height)]
        return LayoutUpdate(lines, Region(0, 0, width, height))
    cuts = sorted(draw(st.sets(st.integers(1, width - 1), min_size=1, max_size=3)))
    starts, ends = [0, *cuts], [*cuts, width]
    line_numbers = sorted(draw(st.sets(st.integers(0, height - 1), min_size=1, max_size=3)))
    chops = [
        {x: strip(end - x) for x, end in zip(starts, ends, strict=True)} for _ in range(height)
    ]
    spans = []
    for y in line_numbers:
        first = draw(st.sampled_from(starts))
        spans.append((y, first, draw(st.sampled_from([end for end in ends if end > first]))))
    return ChopsUpdate(chops, spans, [ends] * height)


class Emulator:
    """A terminal in which no line wraps, as Textual sets it."""

    def __init__(self, size: Size) -> None:
        self._screen = pyte.Screen(size.width, size.height)
        self._screen.reset_mode(7, private=True)  # DECAWM
        self._stream = pyte.Stream(self._screen)

    def show(self, text: str) -> None:
        self._stream.feed(text)

    @property
    def cells(self) -> list[list[Char]]:
        """The cells of each line. Half of a wide character is a space, as terminals show it."""
        lines = [self._screen.buffer[y] for y in range(self._screen.lines)]
        return [_without_halves([line[x] for x in range(self._screen.columns)]) for line in lines]


def _without_halves(line: list[Char]) -> list[Char]:
    after = [*(cell.data for cell in line[1:]), " "]
    before = [" ", *(cell.data for cell in line)]
    return [
        cell._replace(data=" ")
        if (cell.data and cell_len(cell.data) == 2 and data_after)
        or (not cell.data and cell_len(data_before) < 2)
        else cell
        for cell, data_before, data_after in zip(line, before[:-1], after, strict=True)
    ]


@settings(max_examples=50, deadline=None)
@given(data=st.data(), colour_system=st.sampled_from(COLOUR_SYSTEMS))
def test_an_emulator_shows_the_same_with_changed_cells_alone(data, colour_system):
    console = Console(color_system=colour_system, force_terminal=True)
    size = Size(*data.draw(st.tuples(st.integers(2, 24), st.integers(1, 5))))
    all_cells, changed_cells = Emulator(size), Emulator(size)
    cells = TerminalCells()
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            cells.forget()
        update = data.draw(updates(size))
        all_cells.show(update.render_segments(console))
        changed_cells.show(cells.update(placed_strips(update), size, console))
        assert changed_cells.cells == all_cells.cells
        assert not cells.update(placed_strips(update), size, console)


def full_update(*lines: Strip) -> LayoutUpdate:
    strips: list[Iterable[Strip]] = [[line] for line in lines]
    return LayoutUpdate(strips, Region(0, 0, lines[0].cell_length, len(lines)))


def write(cells: TerminalCells, *lines: Strip) -> str:
    console = Console(color_system="truecolor", force_terminal=True)
    update = full_update(*lines)
    return cells.update(placed_strips(update), update.region.size, console)


def test_control_sequences_pass_and_the_cells_below_them_are_written_again() -> None:
    cells = TerminalCells()
    picture = Segment("\x1bPq\x1b\\", None, [(ControlType.CURSOR_FORWARD, 3)])
    text = Strip([Segment("a漢b")])
    assert write(cells, text) == "\x1b[1Ha漢b"
    assert "\x1bPq" in write(cells, Strip([picture], 4))
    assert write(cells, text) == "\x1b[1Ha漢b"
    # Half of a wide character is unknown: it is written as a whole.
    cells.update([(0, 2, Strip([picture], 1))], Size(4, 1), Console())
    assert write(cells, text) == "\x1b[1;2H漢"
    assert write(cells, text) == ""


def test_a_short_gap_is_written_again_and_a_long_one_jumped() -> None:
    cells = TerminalCells()
    write(cells, Strip([Segment("a1234b1234567c")]))
    assert write(cells, Strip([Segment("A1234B1234567C")])) == "\x1b[1HA1234B\x1b[14GC"


def test_hyperlinks_are_opened_and_closed() -> None:
    style = Style(link="https://example.org")
    text = write(TerminalCells(), Strip([Segment("a"), Segment("bc", style), Segment("d")]))
    opened = f"\x1b]8;id={style.link_id};https://example.org\x1b\\"
    assert text == f"\x1b[1Ha{opened}bc\x1b]8;;\x1b\\d"


@given(old=styles, new=styles)
def test_an_emulator_has_the_same_style_after_a_change_of_pen_as_after_a_reset(old, new):
    before, after = (pen_of(style, ColorSystem.TRUECOLOR) for style in (old, new))
    changed, anew = Emulator(Size(1, 1)), Emulator(Size(1, 1))
    changed.show(change_pen(DEFAULT_PEN, before) + change_pen(before, after) + "x")
    anew.show(change_pen(DEFAULT_PEN, after) + "x")
    assert changed.cells == anew.cells
    assert len(change_pen(before, after)) <= len(f"\x1b[m{change_pen(DEFAULT_PEN, after)}")
