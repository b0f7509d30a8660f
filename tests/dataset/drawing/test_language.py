"""Ideographs in the form of the language that a text is in."""

from __future__ import annotations

import pytest

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.coverage import lacking
from deepsynth_tui.dataset.drawing.faces import Face
from deepsynth_tui.dataset.drawing.fallback import FontStack
from deepsynth_tui.dataset.drawing.font_files import EMBEDDED
from deepsynth_tui.dataset.drawing.language import ideograph_language
from deepsynth_tui.dataset.drawing.rendering import Renderer
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
    face = Face(EMBEDDED)
    # In Northern Sami it is a large N with a hook.
    african, sami = (face.shape("Ŋ", leftward=False, language=one)[0] for one in ("ee", "se"))
    assert african != sami


def test_one_ideograph_has_the_form_of_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", INSTALLED)
    if "Chinese" in (without := lacking(FontStack("DejaVu Sans", None))):
        pytest.skip(f"no font for Chinese: apt install {without['Chinese']}")
    renderer = Renderer(PageSettings(preset="tiny", font_size=40))

    def page(language: str) -> bytes:
        monkeypatch.setattr(
            "deepsynth_tui.dataset.drawing.rendering.ideograph_language", lambda text: language
        )
        return renderer.render("骨直令").pages[0].png

    chinese, japanese = page("zh-Hans"), page("ja")
    assert chinese != japanese
    assert page("zh-Hans") == chinese
