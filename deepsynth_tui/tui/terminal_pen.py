"""Styles as a terminal knows them, and the shortest sequence from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

OFF_CODES = {
    1: 22,
    2: 22,
    3: 23,
    4: 24,
    5: 25,
    6: 25,
    7: 27,
    8: 28,
    9: 29,
    21: 24,
    51: 54,
    52: 54,
    53: 55,
}
"""SGR code of each attribute, and the code that turns it off (ECMA-48, 8.3.117)."""
END_LINK = "\x1b]8;;\x1b\\"


@dataclass(frozen=True, slots=True, eq=False)
class Pen:
    """What a terminal applies to the characters that follow. Equal pens are the same object.

    `foreground` and `background` are SGR parameters, empty for the default colour; `link` opens a
    hyperlink (OSC 8), empty for none.
    """

    attributes: frozenset[int]
    foreground: str
    background: str
    link: str

    @property
    def parameters(self) -> list[str]:
        """The SGR parameters that give this pen after a reset."""
        colours = [colour for colour in (self.foreground, self.background) if colour]
        return [*map(str, sorted(self.attributes)), *colours]


@lru_cache(maxsize=8192)
def _pen(attributes: frozenset[int], foreground: str, background: str, link: str) -> Pen:
    return Pen(attributes, foreground, background, link)


DEFAULT_PEN = _pen(frozenset(), "", "", "")


def pen_of(style: Style | None, colour_system: ColorSystem) -> Pen:
    """Return the pen of a style, in colours that the terminal has."""
    if style is None:
        return DEFAULT_PEN
    return _pen_of_link(style, style.link_id if style.link else "", colour_system)


@lru_cache(maxsize=8192)
def _pen_of_link(style: Style, link_id: str, colour_system: ColorSystem) -> Pen:
    # Styles are equal whatever the ids of their links are.
    link = f"\x1b]8;id={link_id};{style.link}\x1b\\" if style.link else ""
    return _pen(*_parse(Strip.render_ansi(style, colour_system)), link)


def _parse(sgr: str) -> tuple[frozenset[int], str, str]:
    """Split the SGR parameters of a style into attributes, foreground and background."""
    attributes: set[int] = set()
    foreground = background = ""
    codes = iter(sgr.split(";") if sgr else ())
    for code in codes:
        number = int(code)
        if number in OFF_CODES:
            attributes.add(number)
            continue
        if number in (38, 48):
            kind = next(codes)
            code = ";".join([code, kind, *(next(codes) for _ in range(3 if kind == "2" else 1))])
        if number in (39, 49):
            code = ""
        if number // 10 in (3, 9):
            foreground = code
        else:
            background = code
    return frozenset(attributes), foreground, background


@lru_cache(maxsize=8192)
def change_pen(old: Pen, new: Pen) -> str:
    """Return the shortest sequence after which a terminal writes with `new` instead of `old`."""
    if old is new:
        return ""
    link = "" if old.link == new.link else new.link or END_LINK
    off = {OFF_CODES[attribute] for attribute in old.attributes - new.attributes}
    # One code turns off both bold and dim, so the one that stays is turned on again.
    on = [
        attribute
        for attribute in sorted(new.attributes)
        if attribute not in old.attributes or OFF_CODES[attribute] in off
    ]
    changed = [*map(str, sorted(off)), *map(str, on)]
    if old.foreground != new.foreground:
        changed.append(new.foreground or "39")
    if old.background != new.background:
        changed.append(new.background or "49")
    if not changed:
        return link
    from_reset = ";".join(["", *new.parameters])  # an empty parameter is 0, a reset
    return link + f"\x1b[{min(';'.join(changed), from_reset, key=len)}m"
