"""Pages in braille made smaller: margins go first, then whole dots at a time."""

from __future__ import annotations

import pytest
from PIL import Image

from deepsynth_tui.page_thumbnail import braille_lines, fitted


@pytest.fixture
def page() -> list[str]:
    """An L of 32 dots height and 16 dots width, 4 dots thick, in the middle of a page."""
    picture = Image.new("L", (128, 64), 255)
    picture.paste(0, (40, 16, 44, 48))
    picture.paste(0, (40, 44, 56, 48))
    return braille_lines(picture, 64)


def test_a_page_with_room_loses_its_margins_alone(page: list[str]) -> None:
    assert fitted(page, 64) == fitted(page, 8) == [*["⣿⣿⠀⠀⠀⠀⠀⠀"] * 7, "⣿⣿⣿⣿⣿⣿⣿⣿"]


def test_a_page_without_room_shrinks_by_a_whole_factor(page: list[str]) -> None:
    assert fitted(page, 7) == fitted(page, 4) == [*["⣿⠀⠀⠀"] * 3, "⣿⣤⣤⣤"]
    assert fitted(page, 3) == ["⣿⠀⠀", "⣿⠀⠀", "⠿⠶⠶"]


def test_an_empty_page_is_no_lines() -> None:
    assert fitted(braille_lines(Image.new("L", (64, 64), 255), 32), 10) == []
