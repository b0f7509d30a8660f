"""The values of a form, kept between sessions in `drafts/<kind>.yaml` under the home folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.access_tokens import hide_tokens
from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.private_folder import make_private


class DraftError(Exception):
    """A draft that cannot be read.

    It has been moved to `moved_to`, so that the next draft does not overwrite it.
    """

    def __init__(self, reason: str, moved_to: Path) -> None:
        super().__init__(reason)
        self.reason = reason
        self.moved_to = moved_to


def draft_path(home: Path, kind: RunKind) -> Path:
    """Return the path of a form's draft."""
    return home / "drafts" / f"{kind}.yaml"


def save_draft(home: Path, values: Mapping[str, Any]) -> None:
    """Save the values of a form, nested as in YAML and with `kind`, without access tokens.

    Raises:
        OSError: The draft cannot be written.
    """
    path = draft_path(home, values["kind"])
    make_private(path.parent)
    atomic.replace(path, hide_tokens(yaml_text.dump(values)).encode())


def load_draft(home: Path, kind: RunKind) -> dict[str, Any]:
    """Return the values of the last draft, nested as in YAML; empty if there is none.

    Raises:
        DraftError: The draft cannot be read.
    """
    path = draft_path(home, kind)
    try:
        return yaml_text.parse(path.read_text(encoding="utf-8")).values
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml_text.YamlSyntaxError) as error:
        moved_to = path.with_name(f"{path.name}.broken")
        path.replace(moved_to)
        raise DraftError(str(error), moved_to) from error
