"""Find the file of a font by name."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from deepsynth_tui.dataset.errors import FontError

BUNDLED_FONT_NAME = "DejaVu Sans"
BUNDLED_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
# Suffixes of a family's regular style.
REGULAR_STYLES = ("regular", "book", "roman", "medium")


def find_font(name: str) -> Path:
    """Return the file of the font `name`.

    `name` is "DejaVu Sans" (bundled with this program), the path of a font file, or the name of an
    installed font such as "Noto Serif" or "NotoSerif-Bold"; spaces, hyphens and case are ignored.
    Raises `FontError`, which suggests similar names.
    """
    if _normalized(name) == _normalized(BUNDLED_FONT_NAME):
        return BUNDLED_FONT
    if Path(name).suffix.lower() in SUFFIXES and (os.sep in name or Path(name).is_file()):
        path = Path(name).expanduser()
        if not path.is_file():
            raise FontError(f"there is no font file {path}", "Check the path.", "page.font")
        return path
    installed = {_normalized(path.stem): path for path in installed_fonts()}
    wanted = _normalized(Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name)
    for candidate in (wanted, *(wanted + style for style in REGULAR_STYLES)):
        if candidate in installed:
            return installed[candidate]
    similar = difflib.get_close_matches(wanted, installed, n=3, cutoff=0.5)
    names = ", ".join(installed[stem].stem for stem in similar)
    advice = f'Use "{BUNDLED_FONT_NAME}", which is bundled, or the path of a font file.'
    raise FontError(
        f"no font named {name!r} is installed",
        f"Similar names: {names}. {advice}" if similar else advice,
        "page.font",
    )


def installed_fonts() -> Iterator[Path]:
    """Yield the installed font files, folder by folder, each folder in alphabetical order."""
    for folder in _font_folders():
        for root, folders, files in os.walk(folder):
            folders.sort()
            yield from (
                Path(root, file) for file in sorted(files) if file.lower().endswith(SUFFIXES)
            )


def _font_folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    data_home = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    data_dirs = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [
        *(Path(folder, "fonts") for folder in reversed(data_dirs.split(":")) if folder),
        home / ".fonts",
        data_home / "fonts",
    ]


def _normalized(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()
