"""SVG files of screens as other programs show them."""

from __future__ import annotations

import re


def smaller(svg: str) -> str:
    """Return an SVG without the fonts that Rich links to, which README pages do not load, and
    with the leading spaces of its texts, which some programs leave out."""
    without_fonts = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return without_fonts.replace("<svg ", '<svg xml:space="preserve" ', 1)
