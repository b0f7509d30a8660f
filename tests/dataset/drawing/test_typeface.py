"""Fonts: found by name, read for what they can draw."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from deepsynth_tui.dataset.drawing.charmap import NoCharacterMap, covered
from deepsynth_tui.dataset.drawing.font_files import EMBEDDED, find_font
from deepsynth_tui.dataset.drawing.typeface import Typeface, needs_shaping
from deepsynth_tui.dataset.errors import FontError


@pytest.fixture(scope="module")
def dejavu() -> Typeface:
    return Typeface(EMBEDDED)


def test_the_embedded_font_covers_three_scripts_and_no_chinese(dejavu: Typeface):
    assert all(map(dejavu.has, "aéßñœ€“—Ωάϊжїґё"))
    assert not any(map(dejavu.has, "日本語हिन्दी"))


def test_coverage_agrees_with_what_is_drawn():
    """Wherever the map says "missing", FreeType draws the box, and hardly ever elsewhere."""
    font = ImageFont.truetype(EMBEDDED, 40, layout_engine=ImageFont.Layout.BASIC)
    box = picture(font, 0xFFFF)
    map_ = covered(EMBEDDED)
    missing = [code for code in range(0x20, 0x2600) if code not in map_]
    assert len(missing) > 1000
    assert all(picture(font, code) == box for code in missing)
    drawn_as_box = [c for c in range(0x21, 0x2600) if picture(font, c) == box]
    assert set(drawn_as_box) == set(missing)


def picture(font: ImageFont.FreeTypeFont, code: int) -> bytes:
    image = Image.new("L", (80, 80))
    ImageDraw.Draw(image).text((20, 60), chr(code), 255, font, anchor="ls")
    return image.tobytes()


def test_measures_are_multiples_of_the_size(dejavu: Typeface):
    assert dejavu.width("A") == pytest.approx(1401 / 2048)
    assert dejavu.width("AA") == pytest.approx(2 * 1401 / 2048)
    assert dejavu.ascent == pytest.approx(0.928, abs=0.001)
    assert dejavu.descent == pytest.approx(0.236, abs=0.001)
    assert dejavu.x_height == pytest.approx(0.547, abs=0.001)


def test_invisible_characters_take_no_room(dejavu: Typeface):
    assert dejavu.width("\u200d\ufe0f\u00ad") == 0
    assert dejavu.advance("\u0301") == 0


def test_scripts_that_need_shaping_are_known():
    assert all(map(needs_shaping, "אبक"))
    assert not any(map(needs_shaping, "aßΩж日"))


def test_fonts_are_found_by_name_file_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "fonts" / "deep").mkdir(parents=True)
    installed = tmp_path / "fonts" / "deep" / "Quill Serif-Regular.ttf"
    shutil.copy(EMBEDDED, installed)
    for name in ("Quill Serif", "quillserif", "Quill-Serif-Regular", "QuillSerif-Regular.ttf"):
        assert find_font(name) == installed
    assert find_font(str(installed)) == installed
    assert find_font("dejavu sans") == EMBEDDED
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
        Typeface(path)
    with pytest.raises((NoCharacterMap, struct.error)):
        covered(path)
