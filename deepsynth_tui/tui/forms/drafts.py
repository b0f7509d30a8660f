"""What stands in a form, kept between sessions: `drafts/<kind>.yaml` under the home folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepsynth_tui.config import yaml_text
from deepsynth_tui.config.kinds import RunKind
from deepsynth_tui.runs import atomic


class BrokenDraft(Exception):
    """A draft that cannot be read. It lies `aside` now, so that the next one can be saved."""

    def __init__(self, reason: str, aside: Path) -> None:
        super().__init__(reason)
        self.reason = reason
        self.aside = aside


def draft_path(home: Path, kind: RunKind) -> Path:
    """Return where the draft of a form lies."""
    return home / "drafts" / f"{kind}.yaml"


def save_draft(home: Path, values: Mapping[str, Any]) -> None:
    """Keep the values of a form, as YAML has them, `kind` among them. Raises OSError."""
    path = draft_path(home, values["kind"])
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.replace(path, yaml_text.dump(values).encode())


def load_draft(home: Path, kind: RunKind) -> dict[str, Any]:
    """Return the values of the last draft, {} when there is none. Raises BrokenDraft."""
    path = draft_path(home, kind)
    try:
        return yaml_text.parse(path.read_text(encoding="utf-8")).values
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml_text.YamlSyntaxError) as error:
        aside = path.with_name(f"{path.name}.broken")
        path.replace(aside)
        raise BrokenDraft(str(error), aside) from error
