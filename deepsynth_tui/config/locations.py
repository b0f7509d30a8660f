"""Where runs, drafts and caches lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP_NAME = "deepsynth"
HOME_VARIABLE = "DEEPSYNTH_HOME"


def home() -> Path:
    """Return the folder of runs and drafts: `$DEEPSYNTH_HOME`, else the user's data folder."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir(APP_NAME))


def cache_dir() -> Path:
    """Return the folder of what can be made again: `$DEEPSYNTH_HOME/cache`, else the user's."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser() / "cache"
    return Path(platformdirs.user_cache_dir(APP_NAME))
