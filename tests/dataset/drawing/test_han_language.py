"""Regional forms of Chinese, Japanese and Korean characters by the language of the text."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.font_face import Face
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.font_files import BUNDLED_FONT
from deepsynth_tui.dataset.drawing.font_packages import scripts_without_font
from deepsynth_tui.dataset.drawing.han_language import han_language
from deepsynth_tui.dataset.drawing.renderer import Renderer
from deepsynth_tui.dataset.drawing.system_fonts import font_region, system_fonts
from tests.dataset.drawing.test_scripts import INSTALLED, TEXTS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (TEXTS["Chinese"], "zh-Hans"),
        ("渡船七點半就開走了，太早了。水手一直睡到晚上，「真的嗎？」他問。", "zh-Hant"),
        (TEXTS["Japanese"], "ja"),
        ("나룻배(渡船)는 떠났다.", "ko"),
        ("骨", "zh-Hans"),
        (TEXTS["Korean"], "ko"),
        ("ひらがな、カタカナ。", "ja"),
        ("「，」", "zh-Hans"),
        (TEXTS["Latin"], None),
        ("plain", None),
    ],
)
def test_han_language(text: str, language: str | None) -> None:
    assert han_language(text) == language


def test_shaping_uses_the_language() -> None:
    face = Face(BUNDLED_FONT)
    # Northern Sami has another form: a large N with a hook.
    african, sami = (face.shape("Ŋ", rtl=False, language=tag).glyphs for tag in ("ee", "se"))
    assert african != sami


def test_a_page_is_drawn_in_the_forms_of_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(PageSettings(preset="tiny", font_size=40))

    def page(language: str) -> bytes:
        # The bundled font has no Han characters: use the letter of the test above.
        monkeypatch.setattr(
            "deepsynth_tui.dataset.drawing.renderer.han_language", lambda text: language
        )
        return renderer.render("Ŋ").pages[0].image

    african, sami = page("ee"), page("se")
    assert african != sami
    assert page("ee") == african


def test_a_han_character_has_the_form_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", INSTALLED)
    if "Chinese" in (without := scripts_without_font(FontStack("DejaVu Sans", None))):
        pytest.skip(f"no font for Chinese: apt install {without['Chinese']}")
    regions = {font_region(path.name) for path in system_fonts()}
    if "" not in regions and not {"sc", "jp"} <= regions:
        pytest.skip("no font with both Chinese and Japanese forms: apt install fonts-noto-cjk")
    renderer = Renderer(PageSettings(width=640, height=200, font_size=40))
    # Compare the first character of a Chinese and of a Japanese text.
    chinese, japanese = (renderer.render(f"骨{rest}").pages[0].image for rest in ("汉", "の"))
    assert (first_character(chinese) != first_character(japanese)).any()
    assert (
        first_character(chinese) == first_character(renderer.render("骨门").pages[0].image)
    ).all()


def first_character(png: bytes) -> np.ndarray:
    """Return the pixels of the first character at 40 pixels."""
    return np.asarray(Image.open(io.BytesIO(png)))[:, : 48 + 38]
