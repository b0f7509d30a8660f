"""A dataset made by a process that kills itself: `python -m tests.dataset.writing.killed CONFIG
FOLDER STEP`. STEP is which of its changes to files it does not survive; 0: it survives, and says
how many there were.
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

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Changes:
    """Counts what the interpreter is about to change below `folder`; dies at the one chosen."""

    def __init__(self, folder: Path, fatal: int) -> None:
        self.folder = str(folder)
        self.fatal = fatal
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & WRITING:
            return
        if event not in CHANGES and event != "open":
            return
        if str(arguments[0]).startswith(self.folder):
            self.count += 1
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = DatasetConfig.model_validate_json(sys.argv[1])
    changes = Changes(Path(sys.argv[2]), int(sys.argv[3]))
    sys.addaudithook(changes)
    generate(settings, Path(sys.argv[2]), Recorder())
    sys.stdout.write(f"{changes.count}\n")
