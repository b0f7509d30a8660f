"""Rendered pages as images."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepsynth_tui.config.dataset import DegradeSettings, PageSettings
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.dataset.drawing.renderer import RenderedPage, Renderer
from deepsynth_tui.dataset.errors import PageError
from tests.dataset.drawing.subset_font import subset

PROSE = "The tide had left a line of foam and cuttlefish bones along the dyke. " * 4


def renderer(**page: Any) -> Renderer:
    return Renderer(PageSettings(**page))


def image(page: RenderedPage) -> Image.Image:
    return Image.open(io.BytesIO(page.image))


def ink(page: RenderedPage) -> np.ndarray:
    """Return where a page is darker than mid-gray."""
    return np.asarray(image(page).convert("L")) < 128


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
    assert image(page).size == size
    assert image(page).mode == "L"


def test_width_and_height_override_the_preset():
    for width in (300, 301):
        (page,) = renderer(width=width, height=200).render("a").pages
        assert image(page).size == (width, 200)
        assert image(page).convert("L").getextrema()[1] == 255


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_all_ink_stays_inside_the_margins(columns: int):
    settings = {"preset": "tiny", "margin": 50, "columns": columns, "font_size": 14}
    rendered = renderer(**settings).render(PROSE * 12)
    assert len(rendered.pages) > 1
    assert rendered.clipped_glyphs == 0
    rows, lines = np.nonzero(ink(rendered.pages[0]))
    assert 49 <= rows.min() < 60
    assert 440 < rows.max() <= 462
    assert 49 <= lines.min() <= 52
    assert 400 < lines.max() <= 463


def test_columns_leave_a_gutter():
    page = renderer(preset="tiny", columns=2, font_size=16).render(PROSE * 4).pages[0]
    assert not ink(page)[:, 242:270].any()


def test_line_spacing_is_the_distance_between_baselines():
    page = renderer(preset="tiny", font_size=20, line_spacing=2.0).render("E\nE\nE").pages[0]
    rows = np.nonzero(ink(page).any(axis=1))[0]
    tops = [row for row in rows if row - 1 not in rows]
    assert np.diff(tops).tolist() == [40, 40]


def test_themes_colour_ink_and_paper():
    dark = image(renderer(theme="dark").render(PROSE).pages[0]).convert("L")
    assert dark.getpixel((0, 0)) == 24
    assert dark.getextrema() == (24, 236)
    sepia = image(renderer(theme="sepia").render(PROSE).pages[0]).convert("RGB")
    assert sepia.getpixel((0, 0)) == (244, 234, 213)
    own = renderer(theme="dark", ink="#ff0000", paper="#00ff00").render(PROSE).pages[0]
    colours = {colour for _, colour in image(own).convert("RGB").getcolors() or []}
    assert {(255, 0, 0), (0, 255, 0)} <= colours


def test_the_largest_font_size_that_fits_one_page_is_used():
    room = renderer(preset="tiny")
    short, middle, long = (room.render(PROSE[:count]) for count in (60, 900, 1100))
    assert short.font_size == 20
    assert renderer(preset="tiny", max_font_size=32).render(PROSE[:60]).font_size == 32
    assert 15 < renderer(preset="tiny").render(PROSE[:280] * 3).font_size < 20
    assert len(middle.pages) == 1
    assert len(long.pages) == 1
    for size in range(short.font_size, 21):
        assert len(renderer(preset="tiny", font_size=size).render(PROSE[:60]).pages) == 1
    fitted = room.render(PROSE * 2)
    larger = renderer(preset="tiny", font_size=fitted.font_size + 1).render(PROSE * 2)
    assert len(fitted.pages) == 1
    assert len(larger.pages) == 2


def test_a_text_too_long_for_one_page_is_paginated_at_the_smallest_size():
    rendered = renderer(preset="tiny").render(PROSE * 20)
    assert rendered.font_size == 15
    assert len(rendered.pages) > 2
    assert rendered.pages[0].start == 0
    assert rendered.pages[-1].end == len(PROSE * 20)


def test_the_same_text_gives_the_same_bytes():
    first, second = (renderer().render(PROSE).pages[0].image for _ in range(2))
    assert first == second


def test_missing_glyphs_are_counted_and_drawn_as_boxes():
    rendered = renderer(font_size=20, fallback_fonts=[]).render("日本 日a \U000f0000")
    assert rendered.missing_glyphs == {"日": 2, "本": 1, "\U000f0000": 1}
    assert rendered.fonts == ("DejaVu Sans Book",)
    assert ink(rendered.pages[0]).any()
    assert not renderer().render("Ελληνικά, русский, عربي").missing_glyphs


def test_rtl_text_is_right_aligned_and_joined():
    page = renderer(preset="tiny", font_size=24).render("سلم").pages[0]
    columns = np.nonzero(ink(page).any(axis=0))[0]
    assert 455 < columns.max() <= 465
    assert columns.min() > 380
    gaps = np.diff(columns).max()
    assert gaps <= 2, "letters that join leave no gap"


def test_too_many_marks_on_a_letter_are_drawn_beside_it():
    few, many = (renderer(preset="tiny").render("e" + "\u0301" * n) for n in (2, 100))
    assert few.clipped_glyphs == many.clipped_glyphs == 0
    assert many.lost_characters == 0
    width = [np.nonzero(ink(r.pages[0]).any(axis=0))[0].max() for r in (few, many)]
    assert width[1] > width[0] + 200


def test_fonts_are_mixed_by_weight_the_same_for_the_same_document(tmp_path: Path):
    boxes = tmp_path / "boxes.ttf"
    subset(BUNDLED_FONT, boxes, "a")
    mixed = PageSettings(fonts={"DejaVu Sans": 3.0, str(boxes): 1.0}, fallback_fonts=[])
    first = Renderer(mixed)
    counts = Counter(first.render("b", str(i)).pages[0].image for i in range(200))
    assert len(counts) == 2
    second = Renderer(mixed)
    assert counts == Counter(second.render("b", str(i)).pages[0].image for i in range(199, -1, -1))
    assert 120 < max(counts.values()) < 175


def test_invisible_characters_are_neither_missing_nor_ink():
    rendered = renderer().render("a\u200d\ufe0f\u2060b")
    assert not rendered.missing_glyphs
    plain = renderer().render("ab")
    assert rendered.pages[0].image == plain.pages[0].image


def test_different_scripts_give_different_ink():
    pages = [renderer().render(text).pages[0].image for text in ("Wald", "Лес", "Δάσος", "forêt")]
    assert len(set(pages)) == 4


def test_a_page_too_small_for_text_is_refused():
    with pytest.raises(PageError, match="no room") as error:
        renderer(width=64, height=64)
    assert error.value.key == "page.margin"
    with pytest.raises(PageError, match="no room"):
        renderer(preset="tiny", columns=4, font_size=40)


def test_clipped_glyphs_are_counted_and_partly_drawn():
    cut_off = renderer(width=2000, height=600, margin=8, font_size=200).render("Ǟ")
    assert cut_off.clipped_glyphs == 1
    assert ink(cut_off.pages[0])[0].any()
    tall = "A" + "\u0301\u0302" + "Ǟ"
    assert renderer(width=400, height=400, margin=40, font_size=40).render(tall).clipped_glyphs == 0


def test_degradation_is_determined_by_seed_and_document():
    page = PageSettings(preset="tiny")
    degrade = DegradeSettings(share=0.5)
    plain = Renderer(page).render(PROSE).pages[0].image
    drawn = [
        Renderer(page, degrade, seed=7).render(PROSE, str(n)).pages[0].image for n in range(20)
    ]
    assert drawn == [
        Renderer(page, degrade, seed=7).render(PROSE, str(n)).pages[0].image for n in range(20)
    ]
    assert drawn != [
        Renderer(page, degrade, seed=8).render(PROSE, str(n)).pages[0].image for n in range(20)
    ]
    assert 4 <= drawn.count(plain) <= 16
    assert len(set(drawn)) == 21 - drawn.count(plain)


@pytest.mark.parametrize(
    "only",
    [{"rotation": 3.0}, {"blur": 3.0}, {"noise": 60.0}, {"jpeg_quality": 5}],
    ids=["rotation", "blur", "noise", "jpeg"],
)
def test_each_effect_changes_the_page_and_keeps_the_text_on_it(only: dict[str, Any]):
    none = {"rotation": 0.0, "blur": 0.0, "noise": 0.0, "jpeg_quality": None}
    page = PageSettings(preset="tiny", margin=16)
    plain = Renderer(page).render(PROSE * 3).pages[0]
    degraded = Renderer(page, DegradeSettings(share=1.0, **none | only)).render(PROSE * 3).pages[0]
    assert degraded.image != plain.image
    assert image(degraded).size == image(plain).size
    before, after = (
        np.asarray(image(rendered).convert("L")).astype(int) for rendered in (plain, degraded)
    )
    assert np.abs(before - after).max() > 20
    # As much ink as before, within a tenth: no text was rotated off the page.
    assert (255 - after).sum() == pytest.approx(
        (255 - before).sum(), rel=0.35 if "noise" in only else 0.1
    )


@pytest.mark.parametrize("text", ["Short.", PROSE, PROSE * 4], ids=["short", "few", "many"])
def test_a_degraded_page_is_a_jpeg_of_at_most_three_times_the_bytes(text: str):
    def degraded(**degrade: Any) -> bytes:
        room = Renderer(PageSettings(preset="small"), DegradeSettings(share=1.0, **degrade))
        return room.render(text).pages[0].image

    clean = renderer(preset="small").render(text).pages[0].image
    # Even Huffman tables and a blank page take some bytes.
    limit = max(3 * len(clean), 4000)
    for degrade in ({}, {"noise": 20.0}, {"jpeg_quality": 95, "noise": 12.0}):
        page = degraded(**degrade)
        assert Image.open(io.BytesIO(page)).format == "JPEG"
        assert len(page) <= limit
        assert page == degraded(**degrade)
    best = degraded(jpeg_quality=95, noise=20.0, max_size=None)
    assert len(best) > limit
    lossless = degraded(jpeg_quality=None)
    assert Image.open(io.BytesIO(lossless)).format == "PNG"


@pytest.mark.parametrize(
    ("theme", "mode", "paper"),
    [("light", "L", 255), ("dark", "L", 24), ("sepia", "RGB", (244, 234, 213))],
)
def test_a_degraded_page_has_the_colours_of_its_theme(theme: str, mode: str, paper: Any):
    degrade = DegradeSettings(share=1.0, noise=0.0, jpeg_quality=95)
    coloured = PageSettings.model_validate({"theme": theme})
    page = Renderer(coloured, degrade).render(PROSE).pages[0]
    assert image(page).mode == mode
    assert np.abs(np.asarray(image(page))[4, 4].astype(int) - paper).max() <= 1


@settings(max_examples=60)
@given(st.text(st.characters(), max_size=400))
def test_pages_hold_all_of_any_text(text: str):
    rendered = SMALL_PAGES.render(text)
    assert rendered.lost_characters == 0
    assert "".join(text[p.start : p.end] for p in rendered.pages) in (text, "")
    assert bool(rendered.pages) == bool(rendered.lines)


SMALL_PAGES = renderer(width=160, height=120, margin=30, font_size=14, fallback_fonts=[])


def test_an_invalid_colour_is_refused():
    with pytest.raises(PageError, match="'inkish' is not a colour") as error:
        renderer(ink="inkish")
    assert error.value.key == "page.ink"
