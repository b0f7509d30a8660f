"""Changes to the file with the settings of the interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.errors import UserError
from deepsynth_tui.runs import atomic


def save_interface(path: Path, changes: Mapping[str, Any]) -> None:
    """Set settings in the file and leave its other lines and comments as they are.

    Raises:
        UserError: if the file is not valid YAML or cannot be written.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        edited = yaml_text.edit(text, changes)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(path, edited.encode())
    except (UnicodeDecodeError, yaml_text.YamlSyntaxError) as error:
        raise UserError(f"{path} is not valid YAML.", "Correct or delete the file.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
