"""The values of a form, kept between sessions in `drafts/<kind>.yaml` under the home folder.

Each instance of the interface has a draft of its own: the first one `training.yaml`, a second one
at the same time `training-2.yaml`. A lock says which are in use; the kernel releases it when its
process ends, however that happens.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepsynth_tui.config.access_tokens import hide_tokens
from deepsynth_tui.runs import atomic
from deepsynth_tui.runs.private_folder import make_private

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind


class DraftError(Exception):
    """A draft that cannot be read.

    It has been moved to `moved_to`, so that the next draft does not overwrite it.
    """

    def __init__(self, reason: str, moved_to: Path) -> None:
        super().__init__(reason)
        self.reason = reason
        self.moved_to = moved_to


class OwnDraft:
    """The draft of one form in this instance, locked until `close`.

    Attributes:
        number: 1, or one more than the drafts of this kind that other instances have.
    """

    def __init__(self, home: Path, kind: RunKind) -> None:
        self._home = home
        self._kind: RunKind = kind
        self.number, self._lock = _lock_first_free(home, kind)

    @property
    def path(self) -> Path:
        """Its file."""
        return draft_path(self._home, self._kind, self.number)

    def load(self) -> dict[str, Any]:
        """Return its values; without a file those of the first draft of this kind.

        Raises:
            DraftError: The draft cannot be read.
        """
        return load_draft(self._home, self._kind, self.number if self.path.exists() else 1)

    def save(self, values: Mapping[str, Any]) -> None:
        """Save it; see `save_draft`."""
        save_draft(self._home, values, self.number)

    def close(self) -> None:
        """Leave the draft to the next instance."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock_first_free(home: Path, kind: RunKind) -> tuple[int, int | None]:
    """Return the number of the first draft that no other instance has, and its lock.

    1 and None where nothing can be locked: on a file system without locks or write permission.
    """
    for number in count(1):
        path = draft_path(home, kind, number)
        try:
            make_private(path.parent)
            lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError:
            break
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        except OSError:
            os.close(lock)
            break
        else:
            return number, lock
    return 1, None


def draft_path(home: Path, kind: RunKind, number: int = 1) -> Path:
    """Return the path of a form's draft in the first instance or a later one."""
    return home / "drafts" / f"{kind}{f'-{number}' if number > 1 else ''}.yaml"


def save_draft(home: Path, values: Mapping[str, Any], number: int = 1) -> None:
    """Save the values of a form, nested as in YAML and with `kind`, without access tokens.

    Raises:
        OSError: The draft cannot be written.
    """
    path = draft_path(home, values["kind"], number)
    make_private(path.parent)
    # JSON is YAML as well, and is read in a fraction of the time.
    text = json.dumps(values, ensure_ascii=False, indent=1)
    atomic.replace(path, hide_tokens(text).encode())


def load_draft(home: Path, kind: RunKind, number: int = 1) -> dict[str, Any]:
    """Return the values of a draft, nested as in YAML; empty if there is none.

    Raises:
        DraftError: The draft cannot be read.
    """
    path = draft_path(home, kind, number)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _moved_aside(path, error) from error
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError):  # edited by hand, or of an older version
        return _parse_yaml(path, text)
    return values if isinstance(values, dict) else _parse_yaml(path, text)


def _parse_yaml(path: Path, text: str) -> dict[str, Any]:
    from deepsynth_tui.config import yaml_text

    try:
        return yaml_text.parse(text).values
    except yaml_text.YamlSyntaxError as error:
        raise _moved_aside(path, error) from error


def _moved_aside(path: Path, error: Exception) -> DraftError:
    moved_to = path.with_name(f"{path.name}.broken")
    path.replace(moved_to)
    return DraftError(str(error), moved_to)
