"""Fonts: lookup by name, metrics, shaping, bitmaps and fallback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT, find_font
from deepsynth_tui.dataset.drawing.font_packages import scripts_without_font
from deepsynth_tui.dataset.drawing.renderer import Renderer
from deepsynth_tui.dataset.errors import FontError
from tests.dataset.drawing.subset_font import remap, subset


@pytest.fixture(scope="module")
def dejavu() -> Face:
    return Face(BUNDLED_FONT)


def test_the_embedded_font_covers_four_scripts_and_no_chinese(dejavu: Face):
    assert {*map(ord, "aéßñœ€“—Ωάϊжїґёس")} <= dejavu.codepoints
    assert not {*map(ord, "日本語हिन्दी")} & dejavu.codepoints


def test_metrics_are_in_em(dejavu: Face):
    assert dejavu.shape("A", rtl=False).advance == pytest.approx(1401 / 2048)
    assert dejavu.ascent == pytest.approx(0.928, abs=0.001)
    assert dejavu.descent == pytest.approx(0.236, abs=0.001)
    assert dejavu.x_height == pytest.approx(0.547, abs=0.001)
    assert dejavu.name == "DejaVu Sans Book"


def test_shaping_kerns_joins_and_attaches_marks(dejavu: Face):
    widths = {
        text: dejavu.shape(text, rtl=False).advance for text in ("A", "V", "AV", "e", "e\u0301")
    }
    assert widths["AV"] < widths["A"] + widths["V"]
    assert widths["e\u0301"] == pytest.approx(widths["e"])
    alone = dejavu.shape("ب", rtl=True).glyphs
    joined = dejavu.shape("بب", rtl=True).glyphs
    assert not {*alone} & {*joined}


@pytest.mark.parametrize("size", [12, 24, 48])
def test_glyph_bitmaps_match_freetype(dejavu: Face, size: int):
    glyph = dejavu.shape("g", rtl=False).glyphs[0]
    bitmap = dejavu.bitmap(glyph, size, 0.0)
    assert bitmap is not None
    ink, left, top = bitmap
    # Drawn 8 times as large and averaged down: FreeType without hinting.
    font = ImageFont.truetype(BUNDLED_FONT, size * 8, layout_engine=ImageFont.Layout.BASIC)
    large = Image.new("L", (size * 16, size * 16))
    ImageDraw.Draw(large).text((size * 4, size * 8), "g", 255, font, anchor="ls")
    expected = np.asarray(large.reduce(8)).astype(int)
    actual = np.zeros_like(expected)
    row, column = size - top, size // 2 + left
    actual[row : row + ink.shape[0], column : column + ink.shape[1]] = ink
    assert np.abs(actual - expected).max() < 64
    assert actual.sum() == pytest.approx(expected.sum(), rel=0.04)


def test_a_space_has_no_ink(dejavu: Face):
    assert dejavu.bitmap(dejavu.shape(" ", rtl=False).glyphs[0], 20, 0.0) is None


def test_find_font_by_name_file_name_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
def test_an_invalid_font_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.ttf"
    path.write_bytes(content)
    with pytest.raises(FontError, match=r"broken\.ttf"):
        Face(path)


def test_the_first_font_with_the_whole_cluster_draws_it(tmp_path: Path):
    latin, greek = tmp_path / "latin.ttf", tmp_path / "greek.ttf"
    subset(BUNDLED_FONT, latin, "abcdefé")
    subset(BUNDLED_FONT, greek, "αβγ\u0301abc")
    stack = FontStack(str(latin), [str(greek)])
    assert [stack.face_for(c) for c in ("a", "α", "a\u0301", "é", "\u200d")] == [0, 1, 1, 0, 0]
    assert stack.face_for("日") is None


def test_fallback_fonts_do_not_depend_on_what_was_drawn_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The font named after the script is preferred, whatever the order of lookups."""
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    subset(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansA-Regular.ttf", "ωжא")
    subset(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansHebrew-Regular.ttf", "א")
    subset(BUNDLED_FONT, tmp_path / "base.ttf", "abc")
    subset(BUNDLED_FONT, tmp_path / "fonts" / "NotoSansHebrew-Bold.ttf", "אбв")
    for order in ("ωא", "אω"):
        stack = FontStack(str(tmp_path / "base.ttf"), None)
        names = {c: stack.faces[stack.face_for(c) or 0].path.name for c in order}
        assert names == {"ω": "NotoSansA-Regular.ttf", "א": "NotoSansHebrew-Regular.ttf"}
    assert stack.face_for("в") is None, "bold fonts are not used as fallback"
    assert FontStack(str(tmp_path / "base.ttf"), []).face_for("א") is None


def test_scripts_without_font_name_the_debian_package(tmp_path: Path):
    missing = scripts_without_font(FontStack("DejaVu Sans", []))
    assert {"Devanagari": "fonts-noto-core", "Korean": "fonts-noto-cjk"}.items() <= missing.items()
    assert not {"Latin", "Greek", "Cyrillic", "Arabic", "Hebrew"} & missing.keys()
    korean = tmp_path / "korean.ttf"
    subset(BUNDLED_FONT, korean, "abc")
    assert "Latin" in scripts_without_font(FontStack(str(korean), []))


DROID = "DroidSansFallbackFull.ttf"
ONE_OF_EACH = (
    DROID,
    "NotoSansCJKjp-Regular.otf",
    "NotoSansKR-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansTC[wght].ttf",
    "NotoSansYi-Regular.ttf",
    "unifont.otf",
)


@pytest.mark.parametrize(
    ("language", "installed", "expected"),
    [
        ("zh-Hans", ONE_OF_EACH, "NotoSansSC-Regular.otf"),
        ("zh-Hant", ONE_OF_EACH, "NotoSansTC[wght].ttf"),
        ("ja", ONE_OF_EACH, "NotoSansCJKjp-Regular.otf"),
        ("ko", ONE_OF_EACH, "NotoSansKR-Regular.otf"),
        (None, (DROID, "NotoSansCJK-Regular.ttc"), "NotoSansCJK-Regular.ttc"),
        ("ja", (DROID, "NotoSansCJK-VF.ttc", "NotoSansSC-VF.otf"), "NotoSansCJK-VF.ttc"),
        ("ja", (DROID, "NotoSansSC-VF.otf", "NotoSerifJP-VF.otf"), "NotoSerifJP-VF.otf"),
        ("ja", (DROID, "NotoSansSC-VF.otf"), "NotoSansSC-VF.otf"),
        ("ja", (DROID, "NotoSansYi-Regular.ttf"), DROID),
    ],
)
def test_the_font_of_the_language_comes_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str | None,
    installed: tuple[str, ...],
    expected: str,
):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    characters = "骨、《（は"
    for name in installed:
        remap(BUNDLED_FONT, tmp_path / "fonts" / name, dict.fromkeys(characters, "x"))
    stack = FontStack("DejaVu Sans", None)
    for character in characters:
        face = stack.face_for(character, language)
        assert face is not None
        assert stack.faces[face].path.name == expected


EMOJI = dict.fromkeys("❤👩🚀🇳🇴🏽", "x")


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("👩\u200d🚀", "Emoji"),
        ("🇳🇴", "Emoji"),
        ("👩🏽", "Emoji"),
        ("❤\ufe0f", "Emoji"),
        ("❤\ufe0e", "DejaVu Sans Book"),
        ("❤", "DejaVu Sans Book"),
        ("👩", "Symbols"),
        ("👩\ufe0e", "Symbols"),
        ("👩\u200d🦊", None),
    ],
)
def test_an_emoji_sequence_is_drawn_by_one_emoji_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str, name: str | None
):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    fonts = tmp_path / "fonts"
    remap(BUNDLED_FONT, fonts / "NotoColorEmoji.ttf", EMOJI, family="Emoji")
    remap(BUNDLED_FONT, fonts / "NotoSansSymbols-Regular.ttf", EMOJI, family="Symbols")
    files = [str(fonts / "NotoSansSymbols-Regular.ttf"), str(fonts / "NotoColorEmoji.ttf")]
    for fallback in (None, files):
        stack = FontStack("DejaVu Sans", fallback)
        face = stack.face_for(cluster)
        assert (None if face is None else stack.faces[face].name) == name


def test_a_keycap_that_does_not_enclose_its_digit_is_missing(tmp_path: Path):
    """Fonts have digits and U+20E3, and draw one across the other where they lack a ligature."""
    loose, keycaps = tmp_path / "loose.ttf", tmp_path / "keycaps.ttf"
    remap(BUNDLED_FONT, loose, {"1": "1", "2": "2", "\u20e3": "|"})
    # In the bundled font this mark encloses the character before it.
    remap(BUNDLED_FONT, keycaps, {"1": "1", "\u20e3": "\u0488"})
    keycap = "1\ufe0f\u20e3"
    assert FontStack("DejaVu Sans", [str(loose)]).face_for(keycap) is None
    assert FontStack("DejaVu Sans", [str(loose), str(keycaps)]).face_for(keycap) == 2
    rendered = Renderer(PageSettings(font=str(loose), fallback_fonts=[])).render(f"{keycap} 2")
    assert rendered.missing_glyphs == {"\u20e3": 1}
