"""Where a run waits for other machines, as a file in its folder that its user alone can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.json_file import Fields, read_object

FILE = "rendezvous.json"


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Host and port at which the owner of a run listens, and the token that it takes."""

    host: str
    port: int
    token: str

    def write(self, run: RunDirectory) -> None:
        """Write the file that `read_rendezvous` reads. Raises OSError."""
        path = _path(run)
        path.unlink(missing_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as text:
            json.dump({"v": 1, **asdict(self)}, text)


def read_rendezvous(run: RunDirectory) -> Rendezvous:
    """Return that of the last start. Raises OSError or BadContent if there is none."""
    content = Fields(read_object(_path(run)), FILE)
    return Rendezvous(content.text("host"), content.integer("port"), content.text("token"))


def remove_rendezvous(run: RunDirectory) -> None:
    """Remove the file: nobody can join any more."""
    _path(run).unlink(missing_ok=True)


def _path(run: RunDirectory) -> Path:
    return run.path / FILE
