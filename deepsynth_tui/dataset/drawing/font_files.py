"""From the name of a font to its file."""

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
# A family name means its upright cut.
UPRIGHT = ("regular", "book", "roman", "medium")


def find_font(name: str) -> Path:
    """Return the file of the font `name`.

    `name` is "DejaVu Sans" (which comes with this program), the path of a font file, or the name
    of an installed font, such as "Noto Serif" or "NotoSerif-Bold"; spaces, hyphens and case do
    not matter. Raises `FontError`, which names the nearest installed ones.
    """
    if _plain(name) == _plain(BUNDLED_FONT_NAME):
        return BUNDLED_FONT
    if Path(name).suffix.lower() in SUFFIXES and (os.sep in name or Path(name).is_file()):
        path = Path(name).expanduser()
        if not path.is_file():
            raise FontError(f"there is no font file {path}", "Check the path.", "page.font")
        return path
    installed = {_plain(path.stem): path for path in installed_fonts()}
    wanted = _plain(Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name)
    for candidate in (wanted, *(wanted + cut for cut in UPRIGHT)):
        if candidate in installed:
            return installed[candidate]
    near = difflib.get_close_matches(wanted, installed, n=3, cutoff=0.5)
    names = ", ".join(installed[one].stem for one in near)
    advice = f'Use "{BUNDLED_FONT_NAME}", which is always there, or the path of a font file.'
    raise FontError(
        f"no font named {name!r} is installed",
        f"Near to it: {names}. {advice}" if near else advice,
        "page.font",
    )


def installed_fonts() -> Iterator[Path]:
    """Yield the font files of this machine, folder by folder, each folder in alphabetic order."""
    for folder in _folders():
        for place, folders, files in os.walk(folder):
            folders.sort()
            yield from (
                Path(place, file) for file in sorted(files) if file.lower().endswith(SUFFIXES)
            )


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    data_home = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [
        *(Path(folder, "fonts") for folder in reversed(shared.split(":")) if folder),
        home / ".fonts",
        data_home / "fonts",
    ]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()
