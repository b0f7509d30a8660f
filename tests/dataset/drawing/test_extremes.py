"""Extreme texts: very long, very wide, many combining marks, no ink."""

from __future__ import annotations

import io
import unicodedata

import numpy as np
import pytest
from PIL import Image

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.line_breaking import grapheme_clusters
from deepsynth_tui.dataset.drawing.renderer import RenderedText, Renderer

WORDS = "A long document of plain words, and none of them may be missing at its end. "


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(PageSettings(preset="tiny", margin=16, fallback_fonts=[]))


def is_complete(rendered: RenderedText, text: str) -> bool:
    """Return whether the pages hold all of `text`, each of them with ink."""
    inked = all(np.asarray(Image.open(io.BytesIO(p.image))).min() < 128 for p in rendered.pages)
    drawn = "".join(text[page.start : page.end] for page in rendered.pages)
    return inked and drawn == text and not rendered.lost_characters and not rendered.clipped_glyphs


def test_two_hundred_thousand_characters(renderer: Renderer):
    text = (WORDS * 3000)[:200_000]
    rendered = renderer.render(text)
    assert is_complete(rendered, text)
    assert rendered.split_tokens == 0
    assert rendered.x_height >= 8
    capacity = len(text) / len(rendered.pages)
    assert 1000 < capacity < 2500


def test_a_word_of_twenty_thousand_characters(renderer: Renderer):
    text = "before " + "abcdefghij" * 2000 + " after"
    rendered = renderer.render(text)
    assert is_complete(rendered, text)
    assert rendered.split_tokens == 1


@pytest.mark.parametrize("text", ["", " ", "\n\n\t \u3000\u200b", "\u200d\u2060"])
def test_a_text_without_ink_has_no_pages_or_blank_ones(renderer: Renderer, text: str):
    rendered = renderer.render(text)
    assert not any(
        np.asarray(Image.open(io.BytesIO(page.image))).min() < 255 for page in rendered.pages
    )
    assert rendered.lost_characters == 0


def test_ten_thousand_combining_marks(renderer: Renderer):
    text = "x" + "\u0301\u0316" * 5000 + " end"
    rendered = renderer.render(text)
    assert is_complete(rendered, text)


def test_mixed_text_directions(renderer: Renderer):
    text = "abc אבג (123) דהו [xyz], ٤٥٦ سلام \u2067abc אב\u2069 \u202eabc\u202c end. " * 20
    rendered = renderer.render(text)
    assert is_complete(rendered, text)
    assert not rendered.missing_glyphs


def test_preposed_vowels_and_stacked_letters_stay_in_one_cluster():
    assert list(grapheme_clusters("เกิด")) == ["เกิ", "ด"]
    khmer = "ស្ត្រី"
    assert list(grapheme_clusters(khmer)) == [khmer]
    assert unicodedata.combining("\u17d2") == 9
