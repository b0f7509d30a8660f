"""A text edited in the editor of the user's choice."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deepsynth_tui.errors import UserError

FALLBACKS = ("nano", "vim", "vi")


class EditorError(UserError):
    """The text was not edited."""


def editor_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command of $VISUAL, of $EDITOR, or of an editor that is installed.

    Raises:
        EditorError: there is none.
    """
    for name in ("VISUAL", "EDITOR"):
        if environment.get(name, "").strip():
            return shlex.split(environment[name])
    for name in FALLBACKS:
        if shutil.which(name):
            return [name]
    raise EditorError("No editor is set.", "Set EDITOR, for example: export EDITOR=nano")


def edit_text(text: str) -> str:
    """Return `text` as it was saved in the editor, without line breaks at the end. Blocks.

    Raises:
        EditorError: the editor cannot be started or fails, or what it saved is no text.
    """
    command = editor_command()
    with tempfile.TemporaryDirectory(prefix="deepsynth-") as folder:
        file = Path(folder) / "text.txt"
        file.write_text(text, encoding="utf-8")
        try:
            status = subprocess.run([*command, str(file)], check=False).returncode
        except OSError as error:
            reason = f"{command[0]} cannot be started: {error.strerror}."
            raise EditorError(reason, "Set EDITOR to an editor that is installed.") from error
        if status:
            raise EditorError(
                f"{command[0]} ended with status {status}.", "The text was left as it was."
            )
        try:
            return file.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise EditorError(
                f"What {command[0]} saved cannot be read.", "The text was left as it was."
            ) from error
