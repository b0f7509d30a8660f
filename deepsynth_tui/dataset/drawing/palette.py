"""Colours of ink and paper, as the palette of a PNG file."""

from __future__ import annotations

from PIL import ImageColor

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.png import Colour
from deepsynth_tui.dataset.errors import PageError

# (ink, paper), each red, green, blue.
THEMES = {
    "light": ((0, 0, 0), (255, 255, 255)),
    "dark": ((236, 236, 236), (24, 24, 24)),
    "sepia": ((67, 50, 32), (244, 234, 213)),
}


def page_palette(page: PageSettings, bits: int) -> list[Colour] | None:
    """Return `2**bits` colours from full ink to paper, None for plain black on white.

    Raises `PageError` if `page.ink` or `page.paper` is not a colour.
    """
    ink, paper = THEMES[page.theme]
    ink = _parse_colour(page.ink, ink, "page.ink")
    paper = _parse_colour(page.paper, paper, "page.paper")
    if (ink, paper) == THEMES["light"]:
        return None
    steps = 2**bits - 1
    return [
        tuple(
            round(dark + (light - dark) * step / steps)
            for dark, light in zip(ink, paper, strict=True)
        )
        for step in range(steps + 1)
    ]


def _parse_colour(value: str | None, default: Colour, key: str) -> Colour:
    if value is None:
        return default
    try:
        return ImageColor.getrgb(value)[:3]
    except ValueError as error:
        raise PageError(
            f"{value!r} is not a colour", "Use #rrggbb or a CSS colour name.", key
        ) from error
