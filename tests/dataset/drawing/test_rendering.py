"""Pages as pictures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.rendering import Renderer
from deepsynth_tui.dataset.errors import PageError

PROSE = "The tide had left a line of foam and cuttlefish bones along the dyke. " * 4


def renderer(**page: Any) -> Renderer:
    return Renderer(PageSettings(**page))


def ink(image: Image.Image) -> np.ndarray:
    """Where a page is darker than its paper."""
    return np.asarray(image.convert("L")) < 128


@pytest.mark.parametrize(
    ("preset", "size"),
    [
        ("tiny", (512, 512)),
        ("small", (640, 640)),
        ("base", (1024, 1024)),
        ("large", (1280, 1280)),
        ("a4", (1240, 1754)),
    ],
)
def test_presets_have_their_sizes(preset: str, size: tuple[int, int]):
    (page,) = renderer(preset=preset).render("a").pages
    assert page.image.size == size
    assert page.image.mode == "L"
    assert Image.open(io.BytesIO(page.png())).size == size


def test_own_width_and_height_come_first():
    assert renderer(width=300, height=200).render("a").pages[0].image.size == (300, 200)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_all_ink_stays_inside_the_margins(columns: int):
    settings = {"preset": "tiny", "margin": 50, "columns": columns, "font_size": 14}
    rendered = renderer(**settings).render(PROSE * 12)
    assert len(rendered.pages) > 1
    assert rendered.clipped_glyphs == 0
    rows, lines = np.nonzero(ink(rendered.pages[0].image))
    assert 49 <= rows.min() < 60
    assert 440 < rows.max() <= 462
    assert 49 <= lines.min() <= 52
    assert 400 < lines.max() <= 463


def test_columns_leave_a_gutter():
    page = renderer(preset="tiny", columns=2, font_size=16).render(PROSE * 4).pages[0]
    assert not ink(page.image)[:, 242:270].any()


def test_line_spacing_is_the_distance_of_lines():
    page = renderer(preset="tiny", font_size=20, line_spacing=2.0).render("E\nE\nE").pages[0]
    rows = np.nonzero(ink(page.image).any(axis=1))[0]
    tops = [row for row in rows if row - 1 not in rows]
    assert np.diff(tops).tolist() == [40, 40]


def test_themes_colour_ink_and_paper():
    dark = renderer(theme="dark").render(PROSE).pages[0].image
    assert dark.mode == "L"
    assert dark.getpixel((0, 0)) == 24
    assert dark.getextrema() == (24, 236)
    sepia = renderer(theme="sepia").render(PROSE).pages[0].image
    assert sepia.mode == "RGB"
    assert sepia.getpixel((0, 0)) == (244, 234, 213)


def test_without_a_size_the_largest_that_fits_one_page_is_taken():
    room = renderer(preset="tiny")
    short, middle, long = (room.render(PROSE[:count]) for count in (60, 900, 1100))
    assert short.font_size == 32
    assert 15 < renderer(preset="tiny").render(PROSE[:280] * 3).font_size < 32
    assert len(middle.pages) == 1
    assert len(long.pages) == 1
    for size in range(short.font_size, 33):
        assert len(renderer(preset="tiny", font_size=size).render(PROSE[:60]).pages) == 1
    fitted = room.render(PROSE * 2)
    larger = renderer(preset="tiny", font_size=fitted.font_size + 1).render(PROSE * 2)
    assert len(fitted.pages) == 1
    assert len(larger.pages) == 2


def test_a_text_too_long_for_one_page_takes_more_at_the_smallest_size():
    rendered = renderer(preset="tiny").render(PROSE * 20)
    assert rendered.font_size == 15
    assert len(rendered.pages) > 2
    assert rendered.pages[0].start == 0
    assert rendered.pages[-1].end == len(PROSE * 20)


def test_the_same_text_gives_the_same_bytes():
    one, two = (renderer().render(PROSE).pages[0].png() for _ in range(2))
    assert one == two


def test_missing_glyphs_are_counted_and_drawn_as_boxes():
    rendered = renderer(font_size=20).render("日本 日a")
    assert rendered.missing == {"日": 2, "本": 1}
    assert rendered.unreadable_share == 0.75
    assert ink(rendered.pages[0].image).any()


def test_characters_that_would_need_shaping_are_counted():
    rendered = renderer().render("ab سلام")
    assert (rendered.unshaped, rendered.missing.total()) == (4, 0)


def test_invisible_characters_are_neither_missing_nor_ink():
    rendered = renderer().render("a\u200d\ufe0f\u2060b")
    assert not rendered.missing
    plain = renderer().render("ab")
    assert rendered.pages[0].png() == plain.pages[0].png()


def test_different_scripts_give_different_ink():
    pages = [renderer().render(text).pages[0].png() for text in ("Wald", "Лес", "Δάσος", "forêt")]
    assert len(set(pages)) == 4


def test_a_page_without_room_is_refused():
    with pytest.raises(PageError, match="no room") as error:
        renderer(width=64, height=64)
    assert error.value.key == "page.margin"
    with pytest.raises(PageError, match="no room"):
        renderer(preset="tiny", columns=4, font_size=40)


def test_glyphs_over_the_edge_are_counted():
    tall = "A" + "\u0301\u0302" + "Ǟ"
    assert renderer(width=2000, height=600, margin=8, font_size=200).render("Ǟ").clipped_glyphs == 1
    assert renderer(width=400, height=400, margin=40, font_size=40).render(tall).clipped_glyphs == 0


@settings(max_examples=40)
@given(st.text(st.characters(), max_size=400))
def test_whatever_the_text_its_pages_hold_all_of_it(text: str):
    rendered = ROOM.render(text)
    assert rendered.lost_lines == 0
    assert rendered.clipped_glyphs == 0
    assert "".join(text[p.start : p.end] for p in rendered.pages) in (text, "")
    assert bool(rendered.pages) == bool(rendered.lines)
    if rendered.visible:
        assert any(ink(page.image).any() for page in rendered.pages)


ROOM = renderer(width=160, height=120, margin=30, font_size=14)
