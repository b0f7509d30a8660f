"""The language of a text's Han characters, which selects their regional form.

Han unification gives the Chinese, Japanese and Korean forms of a character one code point; a font
with several forms, such as Noto CJK, selects by the language of the text.
"""

from __future__ import annotations

import re

KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def han_language(text: str) -> str | None:
    """Return the BCP 47 language of the Han characters in `text`, None if it has none.

    With kana: Japanese. Else with Hangul: Korean. Else Chinese, traditional if more of the
    characters are in Big5 only than in GB 2312 only.
    """
    if text.isascii() or not HAN.search(text):
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
