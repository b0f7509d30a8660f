"""Generate a dataset in a process that kills itself at its STEPth change to a file.

`python -m tests.dataset.writing.killed CONFIG FOLDER STEP`. With STEP 0 the process completes and
prints the number of changes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.dataset.pipeline import generate
from tests.dataset.recorder import Recorder

CHANGE_EVENTS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Changes:
    """An audit hook that counts changes to files in `folder` and kills the process at one."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self.folder = str(folder)
        self.kill_at = kill_at
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & WRITE_FLAGS:
            return
        if event not in CHANGE_EVENTS and event != "open":
            return
        if str(arguments[0]).startswith(self.folder):
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = DatasetConfig.model_validate_json(sys.argv[1])
    changes = Changes(Path(sys.argv[2]), int(sys.argv[3]))
    sys.addaudithook(changes)
    generate(settings, Path(sys.argv[2]), Recorder())
    sys.stdout.write(f"{changes.count}\n")
