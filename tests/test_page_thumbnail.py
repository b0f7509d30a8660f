"""Braille thumbnails: cropping margins and shrinking by an integer factor."""

from __future__ import annotations

import pytest
from PIL import Image

from deepsynth_tui.page_thumbnail import braille_lines, fit_thumbnail


@pytest.fixture
def page() -> list[str]:
    """An L of 32 dots height and 16 dots width, 4 dots thick, in the middle of a page."""
    image = Image.new("L", (128, 64), 255)
    image.paste(0, (40, 16, 44, 48))
    image.paste(0, (40, 44, 56, 48))
    return braille_lines(image, 64)


def test_margins_are_cropped_if_the_page_fits(page: list[str]) -> None:
    assert fit_thumbnail(page, 64) == fit_thumbnail(page, 8) == [*["⣿⣿⠀⠀⠀⠀⠀⠀"] * 7, "⣿⣿⣿⣿⣿⣿⣿⣿"]


def test_a_wide_page_shrinks_by_an_integer_factor(page: list[str]) -> None:
    assert fit_thumbnail(page, 7) == fit_thumbnail(page, 4) == [*["⣿⠀⠀⠀"] * 3, "⣿⣤⣤⣤"]
    assert fit_thumbnail(page, 3) == ["⣿⠀⠀", "⣿⠀⠀", "⠿⠶⠶"]


def test_a_blank_page_has_no_lines() -> None:
    assert fit_thumbnail(braille_lines(Image.new("L", (64, 64), 255), 32), 10) == []
