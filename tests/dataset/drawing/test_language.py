"""Ideographs in the form of the language that a text is in."""

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
from deepsynth_tui.dataset.drawing.han_language import ideograph_language
from deepsynth_tui.dataset.drawing.renderer import Renderer
from tests.dataset.drawing.test_scripts import INSTALLED, TEXTS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (TEXTS["Chinese"], "zh-Hans"),
        ("渡船七點半就開走了，太早了。水手一直睡到晚上，「真的嗎？」他問。", "zh-Hant"),
        (TEXTS["Japanese"], "ja"),
        ("나룻배(渡船)는 떠났다.", "ko"),
        ("骨", "zh-Hans"),
        (TEXTS["Korean"], None),
        (TEXTS["Latin"], None),
        ("plain", None),
    ],
)
def test_the_language_of_ideographs(text: str, language: str | None) -> None:
    assert ideograph_language(text) == language


def test_a_font_is_told_the_language() -> None:
    face = Face(BUNDLED_FONT)
    # In Northern Sami it is a large N with a hook.
    african, sami = (face.shape("Ŋ", leftward=False, language=one)[0] for one in ("ee", "se"))
    assert african != sami


def test_a_page_has_the_forms_of_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(PageSettings(preset="tiny", font_size=40))

    def page(language: str) -> bytes:
        # No ideographs in the embedded font: the letter of the test above stands for them.
        monkeypatch.setattr(
            "deepsynth_tui.dataset.drawing.renderer.ideograph_language", lambda text: language
        )
        return renderer.render("Ŋ").pages[0].png

    african, sami = page("ee"), page("se")
    assert african != sami
    assert page("ee") == african


def test_one_ideograph_has_the_form_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", INSTALLED)
    if "Chinese" in (without := scripts_without_font(FontStack("DejaVu Sans", None))):
        pytest.skip(f"no font for Chinese: apt install {without['Chinese']}")
    renderer = Renderer(PageSettings(width=640, height=200, font_size=40))
    # The first ideograph of a Chinese and of a Japanese text; kana come after the place compared.
    chinese, japanese = (renderer.render(f"骨{rest}").pages[0].png for rest in ("汉", "の"))
    assert (first(chinese) != first(japanese)).any()
    assert (first(chinese) == first(renderer.render("骨门").pages[0].png)).all()


def first(png: bytes) -> np.ndarray:
    """The pixels of the first character of 40."""
    return np.asarray(Image.open(io.BytesIO(png)))[:, : 48 + 38]
