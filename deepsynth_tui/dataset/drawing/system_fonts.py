"""The installed fonts that stand in for characters the chosen font lacks, and their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import regex

from deepsynth_tui.dataset.drawing.font_files import installed_fonts
from deepsynth_tui.dataset.drawing.han_language import CJK

# Upright Noto fonts of regular weight or variable, and two families that cover much of Unicode.
SYSTEM_FONTS = re.compile(
    r"\A(Noto(Sans|Serif|Music|Naskh|Kufi|Color|Emoji)\w*"
    r"(-Regular|-VF|-VariableFont_[\w,]+|\[[\w,]+\])?|DroidSansFallbackFull|unifont)"
    r"\.(ttf|otf|ttc)\Z"
)
# Noto fonts with Chinese, Japanese and Korean characters; the group is the region of those that
# have the forms of one region only.
CJK_FONT = re.compile(
    r"\ANoto(?:Sans|Serif)(?:Mono)?(?:CJK(sc|tc|hk|jp|kr)?|(SC|TC|HK|JP|KR))(?=[-.\[])"
)
# Has one form of each CJK character for all languages.
SINGLE_FORM_FAMILY = "Droid Sans Fallback"
REGIONS = {
    "zh-Hans": ("sc",),
    "zh-Hant": ("tc", "hk"),
    "ja": ("jp",),
    "ko": ("kr",),
}
# Clusters to be drawn as emoji (Unicode Technical Standard #51): emoji presentation selector,
# keycap, flag, skin tone, tags, joined pictographs. A single emoji is drawn like any character.
EMOJI_SEQUENCE = regex.compile(
    r"\uFE0F|\u20E3|\p{Regional_Indicator}|\p{Emoji_Modifier}|[\U000E0020-\U000E007F]"
    r"|\p{Extended_Pictographic}\u200D"
)
# Selects the text form of a character that is an emoji too.
TEXT_PRESENTATION = "\ufe0e"


def system_fonts() -> list[Path]:
    """Return the installed fallback fonts, each file name once: Noto first, Sans before Serif."""
    by_name = {path.name: path for path in installed_fonts() if SYSTEM_FONTS.match(path.name)}
    return sorted(
        by_name.values(),
        key=lambda path: (not path.name.startswith("Noto"), "Sans" not in path.name, path.name),
    )


def in_order_for(cluster: str, language: str | None, fonts: Iterable[Path]) -> list[Path]:
    """Return `fonts` with those made for `cluster` first.

    `language` is that of the Chinese, Japanese and Korean characters of the text (BCP 47).
    """
    if CJK.search(cluster):
        return sorted(fonts, key=lambda path: _cjk_rank(path.name, language))
    if TEXT_PRESENTATION in cluster:
        return sorted(fonts, key=is_emoji_font)
    words = _script_words(cluster)
    return sorted(fonts, key=lambda path: not any(word in path.name for word in words))


def is_emoji_font(path: Path) -> bool:
    """Return whether `path` is an installed emoji font, by its name."""
    return "Emoji" in path.name


def font_region(name: str) -> str | None:
    """Return whose forms of CJK characters the font file `name` has, such as "jp".

    "" is those of all regions, by language; None stands for a font not made for any.
    """
    font = CJK_FONT.match(name)
    return (font[1] or font[2] or "").lower() if font else None


def _cjk_rank(name: str, language: str | None) -> int:
    """Rank the font file `name` for CJK characters, 0 first."""
    region = font_region(name)
    if region is None:
        return 2 if "Fallback" in name else 3
    return int(region != "" and region not in REGIONS.get(language or "", ()))


def _script_words(cluster: str) -> list[str]:
    """Return the scripts of `cluster`, as the file names of Noto fonts contain them."""
    names = (unicodedata.name(character, "") for character in cluster)
    return [name.split(" ")[0].split("-")[0].title() for name in names if name]
