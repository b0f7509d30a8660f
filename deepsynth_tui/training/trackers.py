"""Environment variables of experiment trackers: where they write, and how they identify the run.

A variable that the user has set is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory


def configure_tracker(run: RunDirectory, report_to: str) -> None:
    """Make a tracker write below the run directory and continue the same record on resume.

    Trackio is not configured: it keeps all projects in one place, where `trackio show` looks, and
    identifies a run by its name.
    """
    if report_to == "tensorboard":
        _set_folder("TENSORBOARD_LOGGING_DIR", run.path / report_to)
    elif report_to == "wandb":
        _set_folder("WANDB_DIR", run.path)  # wandb creates a folder "wandb" in it
        os.environ.setdefault("WANDB_RUN_ID", run.id)
        os.environ.setdefault("WANDB_RESUME", "allow")


def wandb_lacks_login() -> bool:
    """Whether wandb is online but has no API key, which would end the run at its first step.

    Looks in the places that `wandb/sdk/lib/wbauth` looks in.
    """
    environment = os.environ
    if environment.get("WANDB_MODE", "online") != "online":
        return False
    if environment.get("WANDB_API_KEY") or environment.get("WANDB_IDENTITY_TOKEN_FILE"):
        return False
    netrc = environment.get("NETRC")
    config_folder = environment.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    paths = (*([netrc] if netrc else ["~/.netrc", "~/_netrc"]), f"{config_folder}/settings")
    return not any(Path(path).expanduser().exists() for path in (*paths, "wandb/settings"))


def _set_folder(variable: str, folder: Path) -> None:
    Path(os.environ.setdefault(variable, str(folder))).mkdir(parents=True, exist_ok=True)
