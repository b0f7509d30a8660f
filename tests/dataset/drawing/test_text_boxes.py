"""The boxes of lines and words, compared with the ink of the pages."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepsynth_tui.config.dataset import DegradeSettings, PageSettings
from deepsynth_tui.dataset.drawing.renderer import RenderedPage, Renderer
from deepsynth_tui.dataset.drawing.text_boxes import TextBoxes

PROSE = "The tide had left a line of foam,\tand well-known bones.\n\n  The children (all) ran. " * 8
HEBREW = "שלום עולם abc 123 (def) שלום.\n" * 8
TEXTS = {"prose": PROSE, "hebrew": HEBREW, "chinese": "海边的沙子是白的，孩子们跑了。\n" * 20}
# No interpolation or noise makes paper this dark.
INK = 160


def boxes_of(page: RenderedPage) -> tuple[TextBoxes, TextBoxes]:
    assert page.lines is not None
    assert page.words is not None
    return page.lines, page.words


def ink(page: RenderedPage, below: int = 255) -> NDArray[np.bool_]:
    return np.asarray(Image.open(io.BytesIO(page.image)).convert("L")) < below


def area(box: NDArray[np.int32]) -> tuple[slice, slice]:
    left, top, right, bottom = box.tolist()
    return slice(top, bottom), slice(left, right)


def check_against_ink(page: RenderedPage, drawn: NDArray[np.bool_]) -> None:
    """Check that every box holds ink and that no ink is outside of the boxes."""
    for texts in boxes_of(page):
        outside = drawn.copy()
        for box in texts.boxes:
            assert drawn[area(box)].any()
            outside[area(box)] = False
        assert not outside.any()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "page", [{}, {"columns": 2}, {"align": "justify"}, {"align": "end", "font_size": 24}]
)
def test_boxes_hold_all_ink(text: str, page: dict[str, Any]):
    rendered = Renderer(PageSettings(preset="tiny", boxes="words", **page)).render(text)
    for drawn in rendered.pages:
        check_against_ink(drawn, ink(drawn))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_lines_are_the_text_in_reading_order(text: str):
    settings = PageSettings(preset="tiny", columns=2, font_size=28, boxes="words")
    rendered = Renderer(settings).render(text)
    assert len(rendered.pages) > 1
    for page in rendered.pages:
        lines, words = boxes_of(page)
        shown = "".join(text[page.start : page.end].split())
        assert "".join("".join(lines.texts).split()) == shown
        assert "".join(words.texts) == shown


def test_words_are_separated_by_white_space():
    rendered = Renderer(PageSettings(preset="tiny", boxes="words")).render(PROSE)
    words = [word for page in rendered.pages for word in boxes_of(page)[1].texts]
    assert words == PROSE.split()


def test_boxes_are_tight():
    (page,) = Renderer(PageSettings(preset="tiny", boxes="words")).render("Tide\n\nfoam").pages
    drawn = ink(page)
    lines, _ = boxes_of(page)
    assert lines.texts == ("Tide", "foam")
    for line in lines.boxes:
        rows, columns = np.nonzero(drawn[area(line)])
        height, width = drawn[area(line)].shape
        assert (rows.min(), columns.min()) <= (1, 1)
        assert rows.max() >= height - 2
        assert columns.max() >= width - 2


def test_words_without_ink_have_no_box():
    (page,) = Renderer(PageSettings(preset="tiny", boxes="words")).render("a \u200e b").pages
    assert boxes_of(page)[1].texts == ("a", "b")


@pytest.mark.parametrize("key", ["one", "two", "three"])
def test_boxes_follow_the_rotation_of_a_degraded_page(key: str):
    degrade = DegradeSettings(share=1.0, rotation=6.0, blur=0.0, noise=0.0, jpeg_quality=None)
    settings = PageSettings(preset="tiny", margin=64, boxes="words")
    (page,) = Renderer(settings, degrade).render(PROSE[:400], key).pages
    (straight,) = Renderer(settings).render(PROSE[:400]).pages
    assert boxes_of(page)[0].boxes.tolist() != boxes_of(straight)[0].boxes.tolist()
    check_against_ink(page, ink(page, INK))


def test_pages_are_the_same_with_and_without_boxes():
    words, lines, none = (
        Renderer(PageSettings(preset="tiny", boxes=boxes)).render(PROSE).pages
        for boxes in ("words", "lines", "none")
    )
    assert (
        [page.image for page in words] == [page.image for page in lines] == [p.image for p in none]
    )
    assert {(page.lines, page.words) for page in none} == {(None, None)}
    assert {page.words for page in lines} == {None}
