"""Trackers beside the run's own events: where they keep their files."""

from __future__ import annotations

import os
from pathlib import Path

# Environment variables that say so; a person who has set one means it.
FOLDERS = {"tensorboard": "TENSORBOARD_LOGGING_DIR", "wandb": "WANDB_DIR"}


def keep_files_in(folder: Path, tracker: str) -> None:
    """Let a tracker write below `folder`, which is made. Trackio has one place for all projects,
    where `trackio show` looks, and keeps it."""
    if (variable := FOLDERS.get(tracker)) is not None:
        place = Path(os.environ.setdefault(variable, str(folder / tracker)))
        place.mkdir(parents=True, exist_ok=True)
