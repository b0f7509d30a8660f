"""Which form of ideographs a text wants: one code point has several, by language.

Unicode gave Chinese, Japanese and Korean forms of an ideograph one number (Han unification); a
font that has them all, such as Noto CJK, chooses by the language that it is told.
"""

from __future__ import annotations

import re

KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
IDEOGRAPHS = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def ideograph_language(text: str) -> str | None:
    """Return the language of the ideographs in `text`, as BCP 47 has it; None without any.

    Kana are Japanese, Hangul without kana is Korean; what is left is Chinese, traditional where
    more of its characters are in the character set of Taiwan alone than in that of China alone.
    """
    if text.isascii() or not IDEOGRAPHS.search(text):
        return None
    if KANA.search(text):
        return "ja"
    if HANGUL.search(text):
        return "ko"
    found = set(IDEOGRAPHS.findall(text))
    foreign = {name: sum(not _has(name, one) for one in found) for name in ("big5", "gb2312")}
    return "zh-Hant" if foreign["gb2312"] > foreign["big5"] else "zh-Hans"


def _has(charset: str, character: str) -> bool:
    return bool(character.encode(charset, "ignore"))
