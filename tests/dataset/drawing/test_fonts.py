"""Fonts: found by name, read for what they can draw, one standing in for another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT, find_font
from deepsynth_tui.dataset.drawing.font_packages import scripts_without_font
from deepsynth_tui.dataset.errors import FontError
from tests.dataset.drawing.cut_font import cut


@pytest.fixture(scope="module")
def dejavu() -> Face:
    return Face(BUNDLED_FONT)


def test_the_embedded_font_covers_four_scripts_and_no_chinese(dejavu: Face):
    assert {*map(ord, "aéßñœ€“—Ωάϊжїґёس")} <= dejavu.covered
    assert not {*map(ord, "日本語हिन्दी")} & dejavu.covered


def test_measures_are_multiples_of_the_size(dejavu: Face):
    assert dejavu.shape("A", leftward=False)[3] == pytest.approx(1401 / 2048)
    assert dejavu.ascent == pytest.approx(0.928, abs=0.001)
    assert dejavu.descent == pytest.approx(0.236, abs=0.001)
    assert dejavu.x_height == pytest.approx(0.547, abs=0.001)
    assert dejavu.name == "DejaVu Sans Book"


def test_letters_are_kerned_joined_and_marks_take_no_room(dejavu: Face):
    widths = {
        text: dejavu.shape(text, leftward=False)[3] for text in ("A", "V", "AV", "e", "e\u0301")
    }
    assert widths["AV"] < widths["A"] + widths["V"]
    assert widths["e\u0301"] == pytest.approx(widths["e"])
    alone = dejavu.shape("ب", leftward=True)[0]
    joined = dejavu.shape("بب", leftward=True)[0]
    assert not {*alone} & {*joined}


@pytest.mark.parametrize("size", [12, 24, 48])
def test_a_glyph_has_the_ink_that_another_rasterizer_gives_it(dejavu: Face, size: int):
    glyph = dejavu.shape("g", leftward=False)[0][0]
    drawn = dejavu.bitmap(glyph, size, 0.0)
    assert drawn is not None
    ink, left, top = drawn
    # Eight times too large and averaged down: FreeType without the effect of its hinting.
    font = ImageFont.truetype(BUNDLED_FONT, size * 8, layout_engine=ImageFont.Layout.BASIC)
    large = Image.new("L", (size * 16, size * 16))
    ImageDraw.Draw(large).text((size * 4, size * 8), "g", 255, font, anchor="ls")
    other = np.asarray(large.reduce(8)).astype(int)
    mine = np.zeros_like(other)
    row, column = size - top, size // 2 + left
    mine[row : row + ink.shape[0], column : column + ink.shape[1]] = ink
    assert np.abs(mine - other).max() < 64
    assert mine.sum() == pytest.approx(other.sum(), rel=0.04)


def test_a_space_has_no_ink(dejavu: Face):
    assert dejavu.bitmap(dejavu.shape(" ", leftward=False)[0][0], 20, 0.0) is None


def test_fonts_are_found_by_name_file_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "fonts" / "deep").mkdir(parents=True)
    installed = tmp_path / "fonts" / "deep" / "Quill Serif-Regular.ttf"
    shutil.copy(BUNDLED_FONT, installed)
    for name in ("Quill Serif", "quillserif", "Quill-Serif-Regular", "QuillSerif-Regular.ttf"):
        assert find_font(name) == installed
    assert find_font(str(installed)) == installed
    assert find_font("dejavu sans") == BUNDLED_FONT
    with pytest.raises(FontError, match="Quil Serf") as error:
        find_font("Quil Serf")
    assert "Quill Serif-Regular" in error.value.advice
    assert error.value.key == "page.font"


def test_a_missing_font_file_is_named(tmp_path: Path):
    with pytest.raises(FontError, match=r"nowhere\.ttf"):
        find_font(str(tmp_path / "nowhere.ttf"))


@pytest.mark.parametrize("content", [b"", b"not a font at all", b"\0\1\0\0" + b"\0" * 40])
def test_a_file_that_is_no_font_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.ttf"
    path.write_bytes(content)
    with pytest.raises(FontError, match=r"broken\.ttf"):
        Face(path)


def test_the_next_font_that_has_a_cluster_draws_it(tmp_path: Path):
    latin, greek = tmp_path / "latin.ttf", tmp_path / "greek.ttf"
    cut(BUNDLED_FONT, latin, "abcdefé")
    cut(BUNDLED_FONT, greek, "αβγ\u0301abc")
    stack = FontStack(str(latin), [str(greek)])
    assert [stack.covering(c) for c in ("a", "α", "a\u0301", "é", "\u200d")] == [0, 1, 1, 0, 0]
    assert stack.covering("日") is None


def test_installed_noto_fonts_stand_in_whatever_was_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file named after the script comes first, in every order of questions."""
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    cut(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansA-Regular.ttf", "ωжא")
    cut(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansHebrew-Regular.ttf", "א")
    cut(BUNDLED_FONT, tmp_path / "base.ttf", "abc")
    cut(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansHebrew-Bold.ttf", "אбв")
    for order in ("ωא", "אω"):
        stack = FontStack(str(tmp_path / "base.ttf"), None)
        found = {c: stack.faces[stack.covering(c) or 0].path.name for c in order}
        assert found == {"ω": "NotoSansA-Regular.ttf", "א": "NotoSansHebrew-Regular.ttf"}
    assert stack.covering("в") is None, "a bold cut stands in for nothing"
    assert FontStack(str(tmp_path / "base.ttf"), []).covering("א") is None


def test_scripts_without_a_font_are_named_with_the_package_that_has_one(tmp_path: Path):
    missing = scripts_without_font(FontStack("DejaVu Sans", []))
    assert {"Devanagari": "fonts-noto-core", "Korean": "fonts-noto-cjk"}.items() <= missing.items()
    assert not {"Latin", "Greek", "Cyrillic", "Arabic", "Hebrew"} & missing.keys()
    korean = tmp_path / "korean.ttf"
    cut(BUNDLED_FONT, korean, "abc")
    assert "Latin" in scripts_without_font(FontStack(str(korean), []))
