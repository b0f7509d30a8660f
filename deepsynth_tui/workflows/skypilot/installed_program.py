"""How this program is installed elsewhere as it is installed here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

NAME = "deepsynth-tui"


@dataclass(frozen=True, slots=True)
class InstalledProgram:
    """What pip installs: a requirement, or a folder of this machine that is copied first."""

    requirement: str
    folder: Path | None = None


def installed_program(installed: Distribution | None = None) -> InstalledProgram:
    """Return the source of the installed program, as pip has recorded it in `direct_url.json`.

    (packaging.python.org/en/latest/specifications/direct-url). An archive that was installed from a
    file is taken for the release of its version.
    """
    installed = installed or distribution(NAME)
    release = InstalledProgram(f"{NAME}=={installed.version}")
    recorded = json.loads(installed.read_text("direct_url.json") or "{}")
    url = recorded.get("url", "")
    if commit := recorded.get("vcs_info", {}):
        return InstalledProgram(f"{NAME} @ {commit['vcs']}+{url}@{commit['commit_id']}")
    folder = Path(url2pathname(urlparse(url).path))
    if "dir_info" in recorded and folder.is_dir():
        return InstalledProgram(str(folder), folder)
    return release if not url or url.startswith("file:") else InstalledProgram(f"{NAME} @ {url}")
