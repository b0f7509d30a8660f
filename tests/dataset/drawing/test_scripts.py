"""Every script is drawn without missing glyphs or lost characters.

Scripts that the bundled font lacks are tested where Noto fonts are installed.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deepsynth_tui.config.dataset import PageSettings
from deepsynth_tui.dataset.drawing.font_fallback import FontStack
from deepsynth_tui.dataset.drawing.font_packages import SCRIPTS, scripts_without_font
from deepsynth_tui.dataset.drawing.renderer import Renderer

INSTALLED = "/usr/local/share:/usr/share"
BUNDLED_SCRIPTS = ("Latin", "Greek", "Cyrillic", "Arabic", "Hebrew")

# Written for these tests: two sentences about a ferry, with a number and a bracket in each.
TEXTS = {
    "Latin": "Der Fährmann kam um 7:30 (zu früh). L'été dernier, il était à l'heure; õhtul külm.",
    "Greek": "Το πλοίο έφυγε στις 7:30 (νωρίς). Ο ναύτης κοιμήθηκε ώς το βράδυ.",
    "Cyrillic": "Паром ушёл в 7:30 (рано). Їжак спав на ґанку, а чайки кричали.",
    "Arabic": "غادرت العبّارة في الساعة ٧:٣٠ (مبكرًا). نام البحّار حتى المساء، ثم قال hello.",
    "Hebrew": "המעבורת יצאה בשעה 7:30 (מוקדם). המלח ישן עד הערב ואמר hello.",
    "Devanagari": "नाव ७:३० बजे चली गई (जल्दी)। क्षत्रिय श्रृंगार और ज्ञान की बात करते रहे।",
    "Bengali": "নৌকাটি ৭:৩০ টায় ছেড়ে গেল (তাড়াতাড়ি)। মাঝি সন্ধ্যা পর্যন্ত ঘুমাল।",
    "Tamil": "படகு 7:30 மணிக்குப் புறப்பட்டது (சீக்கிரம்). மாலுமி மாலை வரை தூங்கினான்.",
    "Telugu": "పడవ 7:30 గంటలకు బయలుదేరింది (తొందరగా). నావికుడు సాయంత్రం వరకు నిద్రపోయాడు.",
    "Thai": "เรือออกเวลา 7:30 น. (เร็วไป) กะลาสีหลับจนถึงค่ำ",
    "Khmer": "ទូកចេញនៅម៉ោង ៧:៣០ (លឿន)។ ស្ត្រីដេកដល់ល្ងាច។",
    "Ethiopic": "ጀልባው በ7:30 ሄደ (ቀደም ብሎ)። መርከበኛው እስከ ማታ ተኛ።",
    "Chinese": "渡船七点半（7:30）就开走了，太早了。水手一直睡到晚上，“真的吗？”他问。",
    "Japanese": "渡し船は7:30に出た（早すぎた）。船員は「そうですか」と言って、夜まで眠った。",
    "Korean": "나룻배는 7:30에 떠났다(너무 일찍). 뱃사람은 저녁까지 잤다.",
    "emoji": "🤖 🦊 👩‍🚀 🏳️‍🌈 👍🏽 🇳🇴 7️⃣",
}


def test_there_is_a_text_for_each_script() -> None:
    assert TEXTS.keys() == SCRIPTS.keys()


@pytest.mark.parametrize("script", TEXTS)
def test_a_script_is_drawn_completely(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if script not in BUNDLED_SCRIPTS:
        monkeypatch.setenv("XDG_DATA_DIRS", INSTALLED)
        if script in (without := scripts_without_font(FontStack("DejaVu Sans", None))):
            pytest.skip(f"no font for {script}: apt install {without[script]}")
    renderer = Renderer(PageSettings(preset="tiny", margin=16))
    text = f"{TEXTS[script]}\n\n" * 8
    rendered = renderer.render(text)
    assert not rendered.missing_glyphs
    assert rendered.lost_characters == rendered.clipped_glyphs == 0
    assert "".join(text[page.start : page.end] for page in rendered.pages) == text
    for page in rendered.pages:
        assert np.asarray(Image.open(io.BytesIO(page.image))).min() < 128
