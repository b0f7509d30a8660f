"""Where torchrun puts the output of the ranks on a node."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing import LogsDest, LogsSpecs


class RankLogs(LogsSpecs):
    """One file for each rank, `rank-3.log`, whose lines are printed with a prefix as well.

    The first rank only prints, as a run of one process does. Later starts of the run have files of
    their own, `rank-3.1.log`. A rank sends what it writes to stderr to stdout.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder

    @property
    def root_log_dir(self) -> str:
        """The folder of the files."""
        return str(self._folder)

    def reify(self, envs: dict[int, dict[str, str]]) -> LogsDest:
        """Return the files by local rank; an empty name prints to the console."""
        self._folder.mkdir(exist_ok=True)
        files: dict[int, str] = {}
        for local_rank, environment in envs.items():
            rank = environment["RANK"]
            environment["TORCHELASTIC_ERROR_FILE"] = ""
            if rank != "0":
                files[local_rank] = str(self._unused_file(f"rank-{rank}"))
        console = dict.fromkeys(envs, "")
        return LogsDest(
            stdouts={**console, **files},
            stderrs=console,
            tee_stdouts=files,
            error_files=console,
            filtered_stdout=os.devnull,
            filtered_stderr=os.devnull,
        )

    def _unused_file(self, name: str) -> Path:
        numbers = itertools.chain(("",), (f".{number}" for number in itertools.count(1)))
        files = (self._folder / f"{name}{number}.log" for number in numbers)
        return next(file for file in files if not file.exists())
