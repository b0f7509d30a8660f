"""What the terminal shows, cell by cell, and the shortest text that changes it.

Textual writes every segment of each widget that it refreshes, with a full style around it. Most of
these cells do not change. Lines are sanitised before they get here (`terminal_filter`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from deepsynth_tui.tui.terminal_pen import DEFAULT_PEN, Pen, change_pen, pen_of

SHORT_GAP = 5
"""A gap of fewer unchanged cells is written again: to jump over it takes as many bytes."""
REST = ""
"""What the second cell of a wide character holds."""

PlacedStrip = tuple[int, int, Strip]
"""A line, a column and the strip that starts there."""


def placed_strips(update: LayoutUpdate | ChopsUpdate) -> Iterator[PlacedStrip]:
    """Yield the strips that an update of Textual's compositor writes, and their places."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield y, x, strip
                x += strip.cell_length
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > last or end <= first:
                continue
            is_inside = first <= x < last and end <= last
            yield y, x, strip if is_inside else strip.crop(0, min(end, last) - x)


class TerminalCells:
    """The characters and pens that a terminal shows. Nothing is known of it at first."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._lines: list[_Line] = []

    def forget(self) -> None:
        """Forget what the terminal shows: every cell of the next update is written."""
        self._lines = [_Line.unknown(self._size.width) for _ in range(self._size.height)]

    def update(self, strips: Iterable[PlacedStrip], size: Size, console: Console) -> str:
        """Return what changes the cells of these strips on a terminal of `size`.

        Strips come line by line, from left to right. Empty if the terminal shows them already.
        Ends with a reset of the style if it has changed it.
        """
        if size != self._size:
            self._size = size
            self.forget()
        writer = _Writer()
        for y, places in groupby(strips, key=itemgetter(0)):
            if y >= size.height:
                continue
            shown = self._lines[y]
            wanted = shown.copy()
            for _, x, strip in places:
                if any(segment.control for segment in strip):
                    writer.pass_through(x, y, strip.render(console))
                    for line in (shown, wanted):
                        line.forget(x, x + strip.cell_length)
                else:
                    wanted.place(x, strip, console)
            if wanted != shown:
                writer.write_changes(y, shown, wanted)
                self._lines[y] = wanted
        return writer.finish()


class _Line:
    """The cells of a line: characters, and the pens they are written with (None: unknown)."""

    __slots__ = ("characters", "pens")

    def __init__(self, characters: list[str], pens: list[Pen | None]) -> None:
        self.characters = characters
        self.pens = pens

    @classmethod
    def unknown(cls, width: int) -> _Line:
        return cls([" "] * width, [None] * width)

    def copy(self) -> _Line:
        return _Line(self.characters.copy(), self.pens.copy())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Line):
            return NotImplemented
        return self.pens == other.pens and self.characters == other.characters

    def forget(self, start: int, end: int) -> None:
        """Mark cells as unknown."""
        end = min(end, len(self.pens))
        self.pens[start:end] = [None] * (end - start)

    def place(self, start: int, strip: Strip, console: Console) -> None:
        """Put the text of a strip into the cells from `start` on."""
        characters, pens = self.characters, self.pens
        width = len(characters)
        if not (0 <= start < width and strip.cell_length):
            return
        if characters[start] == REST:
            characters[start - 1] = " "  # the second half of this character is overwritten
        # Without colours Textual, too, takes TRUECOLOR: its filters have made all colours grey.
        colour_system = console._color_system or ColorSystem.TRUECOLOR
        x = start
        for text, style, _ in strip:
            if text.isascii():
                cells: Sequence[str] = text
            else:
                combining, cells = cells_of(text)
                if combining and x > start:
                    head = x - 1 if characters[x - 1] != REST else x - 2
                    characters[head] += combining
            end = min(x + len(cells), width)
            characters[x:end] = cells[: end - x]
            pens[x:end] = [pen_of(style, colour_system)] * (end - x)
            if x + len(cells) > width and cells[end - x] == REST:
                characters[-1] = " "  # the second half of this character is beyond the edge
            x = end
        if x < width and characters[x] == REST:
            characters[x] = " "  # the first half of this character is overwritten


@lru_cache(maxsize=4096)
def cells_of(text: str) -> tuple[str, Sequence[str]]:
    """Return the cells that `text` takes, and before them what combines with a cell before it."""
    combining = ""
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            cells += [text[start:end], *[REST] * (width - 1)]
        else:
            combining += text[start:end]
    return combining, tuple(cells)


@lru_cache(maxsize=4096)
def has_sure_width(character: str) -> bool:
    """Return whether every terminal moves its cursor by as many cells as Rich counts.

    Terminals differ in sequences (joiners, variation selectors) and in symbols and emoji.
    """
    if len(character) != 1:
        return False
    return not (
        "\u2300" <= character <= "\u23ff"
        or "\u2600" <= character <= "\u27bf"
        or "\u2b00" <= character <= "\u2bff"
        or character >= "\U0001f000"
    )


class _Writer:
    """Collects the text of an update."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pen = DEFAULT_PEN

    def finish(self) -> str:
        """Return the text, with the default style at its end."""
        self._use(DEFAULT_PEN)
        return "".join(self._parts)

    def pass_through(self, x: int, y: int, text: str) -> None:
        """Write a text as it is."""
        self._use(DEFAULT_PEN)
        self._parts += [_move_to(x, y), text]

    def write_changes(self, y: int, shown: _Line, wanted: _Line) -> None:
        """Write the cells of a line that are not shown as they are wanted."""
        characters, pens = wanted.characters, wanted.pens
        cells = zip(characters, shown.characters, pens, shown.pens, strict=True)
        # Once for both halves of a wide character.
        different = dict.fromkeys(
            x if character != REST else x - 1
            for x, (character, shown_character, pen, shown_pen) in enumerate(cells)
            if character != shown_character or pen is not shown_pen
        )
        changed = list(different)
        cursor: int | None = None
        self._parts.append(_move_to(changed[0], y))
        for x in changed:
            pen = pens[x] or DEFAULT_PEN
            if x != changed[0] and cursor != x and not self._rewrite(wanted, cursor, x):
                self._parts.append(f"\x1b[{x + 1}G")
            self._use(pen)
            self._parts.append(characters[x])
            is_wide = x + 1 < len(characters) and characters[x + 1] == REST
            cursor = x + 1 + is_wide if has_sure_width(characters[x]) else None

    def _rewrite(self, line: _Line, start: int | None, end: int) -> bool:
        """Write the unchanged cells before `end` if that takes no more bytes than a jump."""
        if start is None:
            return False
        gap = "".join(line.characters[start:end])
        pen = line.pens[start]
        if (
            len(gap.encode()) >= SHORT_GAP
            or pen is None
            or pen not in (self._pen, line.pens[end])
            or not all(map(has_sure_width, gap))
            or any(other is not pen for other in line.pens[start:end])
        ):
            return False
        self._use(pen)
        self._parts.append(gap)
        return True

    def _use(self, pen: Pen) -> None:
        if pen is not self._pen:
            self._parts.append(change_pen(self._pen, pen))
            self._pen = pen


def _move_to(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
