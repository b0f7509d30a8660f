"""Trackers beside the run's own events: where they keep their files, and how they know the run.

A variable of the environment that a person has set is left as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepsynth_tui.runs.directory import RunDirectory


def prepare(run: RunDirectory, tracker: str) -> None:
    """Let a tracker write below the folder of `run`, and go on with the same record when the run
    is resumed. Trackio has one place for all projects, where `trackio show` looks, and keeps it;
    it knows a run by its name."""
    if tracker == "tensorboard":
        _folder("TENSORBOARD_LOGGING_DIR", run.path / tracker)
    elif tracker == "wandb":
        _folder("WANDB_DIR", run.path)  # it makes a folder of its own name there
        os.environ.setdefault("WANDB_RUN_ID", run.id)
        os.environ.setdefault("WANDB_RESUME", "allow")


def wandb_lacks_login() -> bool:
    """Whether wandb will certainly find no API key, as `wandb/sdk/lib/wbauth` looks for one, and
    is to send what it records. It would end the run at its first step."""
    environment = os.environ
    if environment.get("WANDB_MODE", "online") != "online":
        return False
    if environment.get("WANDB_API_KEY") or environment.get("WANDB_IDENTITY_TOKEN_FILE"):
        return False
    netrc = environment.get("NETRC")
    configuration = environment.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    places = (*([netrc] if netrc else ["~/.netrc", "~/_netrc"]), f"{configuration}/settings")
    return not any(Path(place).expanduser().exists() for place in (*places, "wandb/settings"))


def _folder(variable: str, place: Path) -> None:
    Path(os.environ.setdefault(variable, str(place))).mkdir(parents=True, exist_ok=True)
