"""The folder that a command writes: new, so that nothing of the user's is overwritten."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.errors import UserError


def check_new_folder(output: Path) -> None:
    """Raise UserError unless `output` does not exist or is an empty folder."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        state = "is not empty" if output.is_dir() else "is a file"
        raise UserError(f"{output} {state}", "Choose a new folder: nothing is overwritten")
