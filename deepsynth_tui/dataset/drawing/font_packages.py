"""Which scripts this machine has fonts for, and which packages have the others."""

from __future__ import annotations

from collections.abc import Mapping

from deepsynth_tui.dataset.drawing.font_fallback import FontStack

CORE, CJK, EMOJI = "fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji"

SCRIPTS: Mapping[str, tuple[str, str]] = {
    "Latin": ("aéßğ", CORE),
    "Greek": ("αή", CORE),
    "Cyrillic": ("жїґ", CORE),
    "Arabic": ("سپ", CORE),
    "Hebrew": ("אב", CORE),
    "Devanagari": ("कि", CORE),
    "Bengali": ("ক", CORE),
    "Tamil": ("க", CORE),
    "Telugu": ("క", CORE),
    "Thai": ("ก", CORE),
    "Khmer": ("ក", CORE),
    "Ethiopic": ("ሀ", CORE),
    "Chinese": ("漢汉", CJK),
    "Japanese": ("あア", CJK),
    "Korean": ("한", CJK),
    "emoji": ("🤖🦊", EMOJI),
}
"""Some characters of each script, and the Debian package of the Noto fonts that draw it."""


def scripts_without_font(fonts: FontStack) -> dict[str, str]:
    """Return the scripts that `fonts` cannot draw, each with the package that helps."""
    return {
        script: package
        for script, (sample, package) in SCRIPTS.items()
        if any(fonts.covering(character) is None for character in sample)
    }
