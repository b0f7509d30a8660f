"""The language of a text's Chinese, Japanese and Korean characters, which selects their forms.

Han unification gives the Chinese, Japanese and Korean forms of a character one code point, and
punctuation sits differently in each. A font with several forms, such as Noto CJK, selects by the
language of the text; of fonts with one form, the one of that language is chosen.
"""

from __future__ import annotations

import re

KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")
HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# All characters that fonts for these languages draw, with punctuation and full-width forms.
CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)


def han_language(text: str) -> str | None:
    """Return the BCP 47 language of the CJK characters in `text`, None if it has none.

    With kana: Japanese. Else with Hangul: Korean. Else Chinese, traditional if more of the
    characters are in Big5 only than in GB 2312 only.
    """
    if text.isascii() or not CJK.search(text):
        return None
    if KANA.search(text):
        return "ja"
    if HANGUL.search(text):
        return "ko"
    characters = set(HAN.findall(text))
    unencodable = {
        charset: sum(not character.encode(charset, "ignore") for character in characters)
        for charset in ("big5", "gb2312")
    }
    return "zh-Hant" if unencodable["gb2312"] > unencodable["big5"] else "zh-Hans"
