"""Where runs, drafts, caches and the settings of the interface are on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP_NAME = "deepsynth"
HOME_VARIABLE = "DEEPSYNTH_HOME"


def home() -> Path:
    """Return the folder of runs and drafts: `$DEEPSYNTH_HOME`, else the user's data folder."""
    override = os.environ.get(HOME_VARIABLE)
    return Path(override).expanduser() if override else Path(platformdirs.user_data_dir(APP_NAME))


def cache_dir() -> Path:
    """Return the cache folder: `$DEEPSYNTH_HOME/cache`, else the user's cache folder."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser() / "cache"
    return Path(platformdirs.user_cache_dir(APP_NAME))


def interface_file() -> Path:
    """Return the file of the interface: in `$DEEPSYNTH_HOME`, else in the user's configuration
    folder."""
    override = os.environ.get(HOME_VARIABLE)
    folder = Path(override).expanduser() if override else platformdirs.user_config_path(APP_NAME)
    return folder / "interface.yaml"
